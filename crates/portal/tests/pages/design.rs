//! Promises of the style sheet and the scripts.

use crate::support::World;

const CSS: &str = include_str!("../../static/portal.css");

/// The value of a colour in both themes.
fn colours(name: &str) -> [f64; 2] {
    let mark = format!("--{name}: light-dark(#");
    let at = CSS
        .find(&mark)
        .unwrap_or_else(|| panic!("no colour {name}"))
        + mark.len();
    let pair = CSS[at..].split(')').next().unwrap();
    let (light, dark) = pair.split_once(", #").unwrap();
    [luminance(light), luminance(dark)]
}

/// WCAG 2.2, relative luminance.
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.03928 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn assert_contrast(front: &str, back: &str, least: f64) {
    for (theme, (front_at, back_at)) in ["light", "dark"]
        .into_iter()
        .zip(colours(front).into_iter().zip(colours(back)))
    {
        let ratio = (front_at.max(back_at) + 0.05) / (front_at.min(back_at) + 0.05);
        assert!(
            ratio >= least,
            "{front} on {back}, {theme}: {ratio:.2} < {least}"
        );
    }
}

/// WCAG 2.2, 1.4.3.
#[test]
fn every_text_can_be_read_in_both_themes() {
    for ground in ["ground", "surface", "raised", "sunken", "hover"] {
        for text in ["text", "muted", "accent"] {
            assert_contrast(text, ground, 4.5);
        }
    }
    for (text, ground) in [
        ("on-solid", "solid"),
        ("on-solid", "solid-hover"),
        ("on-solid", "bad-solid"),
        ("on-code", "code"),
        ("accent", "accent-soft"),
        ("good", "good-soft"),
        ("wait", "wait-soft"),
        ("bad", "bad-soft"),
        ("bad", "surface"),
        ("bad", "ground"),
        ("good", "surface"),
        ("text", "accent-soft"),
    ] {
        assert_contrast(text, ground, 4.5);
    }
}

/// WCAG 2.2, 1.4.11: edges of controls, and the ring of what has the focus.
#[test]
fn controls_stand_out_from_their_ground_in_both_themes() {
    for ground in ["ground", "surface", "raised"] {
        for edge in ["edge", "accent", "bad", "solid", "bad-solid"] {
            assert_contrast(edge, ground, 3.0);
        }
    }
}

#[test]
fn the_style_sheet_is_small_and_loads_nothing() {
    assert!(CSS.len() < 40_000, "{}", CSS.len());
    for word in ["url(", "@import", "http:", "https:"] {
        assert!(!CSS.contains(word), "{word}");
    }
    assert!(CSS.contains("prefers-reduced-motion"));
    assert_eq!(CSS.matches('{').count(), CSS.matches('}').count());
}

#[test]
fn scripts_make_no_code_of_text() {
    for (name, script) in [
        ("portal.js", include_str!("../../static/portal.js")),
        ("passkey.js", include_str!("../../static/passkey.js")),
        ("htmx", include_str!("../../static/htmx-4.0.1.min.js")),
    ] {
        for word in ["eval(", "new Function(", "document.write("] {
            assert!(!script.contains(word), "{name}: {word}");
        }
    }
}

#[tokio::test]
async fn every_file_a_page_names_is_there_and_is_kept_for_ever() {
    let world = World::new().await;
    let operator = world.operator().await;
    let page = operator.get("/").await.expect(200);

    let names = page.html.split("\"/static/").skip(1);
    let names: Vec<&str> = names.map(|rest| rest.split('"').next().unwrap()).collect();

    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let file = operator.get(&format!("/static/{name}")).await.expect(200);
        assert!(file.header("cache-control").contains("immutable"));
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(file.headers.get("set-cookie").is_none());
    }
    operator.get("/static/portal.css").await.expect(404);
}
