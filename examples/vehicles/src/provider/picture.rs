//! Draws a vehicle as SVG and packs it into a `data:` URI, so that the sample needs no image files
//! and no image host. Knows shapes and colours, not vehicles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// How a vehicle is built; the words of `summary.bodyStyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyStyle {
    Sedan,
    Suv,
    Pickup,
    Hatchback,
    Coupe,
    Van,
    Wagon,
    Convertible,
}

impl BodyStyle {
    pub(super) const ALL: [Self; 8] = [
        Self::Sedan,
        Self::Suv,
        Self::Pickup,
        Self::Hatchback,
        Self::Coupe,
        Self::Van,
        Self::Wagon,
        Self::Convertible,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sedan => "sedan",
            Self::Suv => "suv",
            Self::Pickup => "pickup",
            Self::Hatchback => "hatchback",
            Self::Coupe => "coupe",
            Self::Van => "van",
            Self::Wagon => "wagon",
            Self::Convertible => "convertible",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::ALL.into_iter().find(|style| style.as_str() == word)
    }

    /// The outline, front to the left, on a field of 300 by 200 with the ground at 162.
    fn shape(self) -> Shape {
        match self {
            Self::Sedan => Shape {
                body: "M22 132Q20 113 44 109L84 102Q110 73 138 71H178Q206 73 228 101L258 106Q280 \
                       110 280 132V138Q280 144 274 144H28Q22 144 22 138Z",
                glass: "M97 102Q116 80 139 78H147V102ZM154 78H176Q197 80 213 102H154Z",
                doors: "M150 78V136M96 106V130",
                wheels: [76, 226],
                ends: [22, 280],
            },
            Self::Suv => Shape {
                body: "M20 130L22 104Q24 96 40 94L74 89Q92 57 112 55H222Q242 56 252 84L272 92Q282 \
                       96 282 108V138Q282 144 276 144H26Q20 144 20 138Z",
                glass: "M88 89Q102 64 115 62H141V89ZM148 62H193V89H148ZM200 62H220Q233 63 241 89H200Z",
                doors: "M144 62V136M196 62V128M92 94V128",
                wheels: [74, 228],
                ends: [20, 282],
            },
            Self::Pickup => Shape {
                body: "M18 130L20 104Q22 96 40 94L76 89Q92 59 110 57H160Q169 57 171 66L175 93H283Q286 \
                       93 286 97V138Q286 144 280 144H24Q18 144 18 138Z",
                glass: "M90 89Q104 66 113 64H125V89ZM132 64H158Q163 64 164 69L168 89H132Z",
                doors: "M128 64V136M174 93V136M94 94V128",
                wheels: [72, 232],
                ends: [18, 286],
            },
            Self::Hatchback => Shape {
                body: "M30 130Q28 111 52 106L86 100Q108 67 136 65H206Q226 67 242 93L262 104Q270 109 \
                       270 122V138Q270 144 264 144H36Q30 144 30 138Z",
                glass: "M99 100Q116 74 138 72H151V100ZM158 72H203Q218 74 229 100H158Z",
                doors: "M154 72V136M98 104V130",
                wheels: [80, 222],
                ends: [30, 270],
            },
            Self::Coupe => Shape {
                body: "M18 134Q18 117 44 113L92 106Q122 79 152 77H184Q218 79 248 104L270 110Q284 114 \
                       284 132V138Q284 144 278 144H24Q18 144 18 138Z",
                glass: "M107 106Q132 86 153 84H170V106ZM177 84H184Q207 86 226 106H177Z",
                doors: "M198 108V134M104 110V132",
                wheels: [76, 230],
                ends: [19, 284],
            },
            Self::Van => Shape {
                body: "M20 128L24 101Q26 92 40 86L66 55Q72 47 84 47H268Q282 47 282 61V138Q282 144 276 \
                       144H26Q20 144 20 138Z",
                glass: "M54 88L76 60Q79 56 85 56H113V88ZM121 56H187V88H121ZM195 56H264Q272 56 272 64V88H195Z",
                doors: "M117 56V136M191 56V136",
                wheels: [72, 232],
                ends: [20, 282],
            },
            Self::Wagon => Shape {
                body: "M22 130Q20 111 44 106L82 100Q104 69 128 67H236Q254 69 266 98L276 106Q282 110 \
                       282 122V138Q282 144 276 144H28Q22 144 22 138Z",
                glass: "M95 100Q112 76 131 74H147V100ZM154 74H197V100H154ZM204 74H233Q245 75 253 100H204Z",
                doors: "M150 74V136M200 74V130M94 104V130",
                wheels: [76, 228],
                ends: [22, 282],
            },
            Self::Convertible => Shape {
                body: "M20 134Q20 115 46 111L102 104L126 80L131 82L118 104H212Q222 95 238 100L266 \
                       108Q284 112 284 130V138Q284 144 278 144H26Q20 144 20 138Z",
                glass: "M106 104L127 83L130 84L116 104ZM150 104V94Q150 88 156 88T162 94V104ZM184 \
                        104V94Q184 88 190 88T196 94V104Z",
                doors: "M122 106V136M204 106V132",
                wheels: [76, 230],
                ends: [20, 284],
            },
        }
    }
}

struct Shape {
    body: &'static str,
    glass: &'static str,
    doors: &'static str,
    wheels: [u16; 2],
    /// Where the front and the back are, for lights and sill.
    ends: [u16; 2],
}

/// The colours of `summary.exteriorColor`, and how they are painted.
const COLORS: [(&str, &str); 10] = [
    ("red", "#c2342f"),
    ("blue", "#2a63b0"),
    ("green", "#2f7d55"),
    ("yellow", "#e0ac28"),
    ("orange", "#d9702b"),
    ("white", "#f4f6f8"),
    ("silver", "#aab4be"),
    ("grey", "#68737f"),
    ("black", "#2b3138"),
    ("teal", "#1f8a94"),
];

pub(super) fn color_names() -> impl Iterator<Item = &'static str> {
    COLORS.iter().map(|(name, _)| *name)
}

pub(super) fn known_color(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    color_names().find(|name| *name == word)
}

/// The picture of such a vehicle as a `data:` URI; grey when the colour is not known.
pub(super) fn data_uri(style: BodyStyle, color: &str) -> String {
    let paint = COLORS.iter().find(|(name, _)| *name == color);
    let svg = draw(&style.shape(), paint.map_or("#68737f", |(_, paint)| paint));
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

fn draw(shape: &Shape, paint: &str) -> String {
    let mut svg = String::with_capacity(2048);
    svg.push_str(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 300 200'><defs>\
         <linearGradient id='s' x2='0' y2='1'><stop stop-color='#e8f0f7'/>\
         <stop offset='1' stop-color='#c9d8e6'/></linearGradient>\
         <linearGradient id='l' x2='0' y2='1'><stop stop-color='#fff' stop-opacity='.35'/>\
         <stop offset='.5' stop-color='#fff' stop-opacity='0'/>\
         <stop offset='1' stop-opacity='.3'/></linearGradient></defs>\
         <path fill='url(#s)' d='M0 0h300v200H0z'/><path fill='#aebdca' d='M0 156h300v44H0z'/>\
         <ellipse cx='151' cy='163' rx='132' ry='7' opacity='.25'/>",
    );
    let Shape {
        body, glass, doors, ..
    } = shape;
    let [front, back] = shape.ends;
    // Painted, then shaded from above, so that one outline gives a body with light on it.
    let _infallible = write!(
        svg,
        "<path fill='{paint}' stroke='#1b2127' stroke-opacity='.35' d='{body}'/>\
         <path fill='url(#l)' d='{body}'/><path fill='#22303c' opacity='.88' d='{glass}'/>\
         <path fill='none' stroke='#000' stroke-opacity='.28' stroke-width='1.5' d='{doors}'/>\
         <path fill='#fff6d2' d='M{} 116h12q4 0 4 4t-4 4h-13z'/>\
         <path fill='#a81d1d' d='M{back} 116h-10q-3 0-3 4t3 4h10z'/>\
         <path d='M{} 137H{}v4H{}z' opacity='.3'/>",
        front + 3,
        front + 4,
        back - 4,
        front + 4
    );
    for x in shape.wheels {
        let _infallible = write!(
            svg,
            "<g transform='translate({x} 143)'><circle r='24' fill='#1b2127' opacity='.55'/>\
             <circle r='20' fill='#1a1d21'/><circle r='12' fill='#c8d0d8'/>\
             <path stroke='#7d8790' stroke-width='2.5' d='M0-11V11M-11 0H11M-8-8 8 8M-8 8 8-8'/>\
             <circle r='4' fill='#59636d'/></g>"
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_style_has_a_picture_of_its_own_and_of_modest_size() {
        let mut pictures = BodyStyle::ALL.map(|style| data_uri(style, "red")).to_vec();
        pictures.sort();
        pictures.dedup();

        assert_eq!(pictures.len(), BodyStyle::ALL.len());
        assert!(pictures.iter().all(|picture| picture.len() < 4096));
    }

    #[test]
    fn a_word_in_any_case_names_its_style_and_colour() {
        assert_eq!(BodyStyle::from_word("SUV"), Some(BodyStyle::Suv));
        assert_eq!(known_color("Teal"), Some("teal"));
        assert_eq!(BodyStyle::from_word("tank"), None);
    }
}
