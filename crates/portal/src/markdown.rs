//! Descriptions that providers wrote in Markdown, as HTML that cannot do anything: no HTML of theirs, no
//! picture, no link but to the web and to mail.

use std::fmt::Write;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use crate::view::{Markup, escaped};

/// Longest text that is read as Markdown, in bytes. A longer one is shown as it was written.
const BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of lists and quotes. What is deeper is shown at this depth.
const DEPTH_MAX: usize = 12;

/// A description as HTML.
pub(crate) fn html(text: &str) -> Markup {
    if text.len() > BYTES_MAX {
        return Markup::made(format!("<p class=\"as-written\">{}</p>", escaped(text)));
    }
    let mut writer = Writer::default();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        writer.take(event);
    }
    Markup::made(writer.html)
}

/// A description as one line of text: for lists.
pub(crate) fn line(text: &str, characters_max: usize) -> String {
    let start: String = text.chars().take(4 * characters_max).collect();
    let mut words = String::new();
    for event in Parser::new(&start) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => words.push(' '),
            _ => {}
        }
    }
    // Words that stand alone are kept together: ends of spans inside a sentence add no space before a comma.
    let joined = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = joined.replace(" ,", ",").replace(" .", ".");
    let mut line: String = joined.chars().take(characters_max).collect();
    if line.len() < joined.len() {
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    line
}

#[derive(Default)]
struct Writer {
    html: String,
    depth: usize,
    /// Ends of links that are open; empty for one that leads nowhere we go.
    links: Vec<&'static str>,
    is_head: bool,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Code(text) => {
                // Writing to a String does not fail.
                let _ = write!(self.html, "<code>{}</code>", escaped(&text));
            }
            // HTML of theirs is text like any other.
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.html.push_str(&escaped(&text)),
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Link { dest_url, .. } => self.link(&dest_url),
            // Headings of a description would break the outline of the page.
            Tag::Heading { .. } => self.html.push_str("<p><strong>"),
            Tag::CodeBlock(_) => self.html.push_str("<pre tabindex=\"0\"><code>"),
            Tag::List(Some(first)) if self.goes_deeper() => {
                let _ = write!(self.html, "<ol start=\"{first}\">");
            }
            Tag::List(None) if self.goes_deeper() => self.html.push_str("<ul>"),
            Tag::BlockQuote(_) if self.goes_deeper() => self.html.push_str("<blockquote>"),
            Tag::Item if self.depth <= DEPTH_MAX => self.html.push_str("<li>"),
            Tag::Paragraph => self.html.push_str("<p>"),
            Tag::Emphasis => self.html.push_str("<em>"),
            Tag::Strong => self.html.push_str("<strong>"),
            Tag::Strikethrough => self.html.push_str("<del>"),
            Tag::Table(_) => self
                .html
                .push_str("<div class=\"scroll-x\" tabindex=\"0\"><table>"),
            Tag::TableHead => {
                self.is_head = true;
                self.html.push_str("<thead><tr>");
            }
            Tag::TableRow => self.html.push_str("<tr>"),
            Tag::TableCell if self.is_head => self.html.push_str("<th scope=\"col\">"),
            Tag::TableCell => self.html.push_str("<td>"),
            // A picture would be fetched from elsewhere: the words beside it are shown.
            _ => {}
        }
    }

    /// Lists and quotes that are too deep have neither start nor end.
    fn goes_deeper(&mut self) -> bool {
        self.depth += 1;
        self.depth <= DEPTH_MAX
    }

    fn comes_back(&mut self, end: &str) {
        if self.depth <= DEPTH_MAX {
            self.html.push_str(end);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn link(&mut self, url: &CowStr<'_>) {
        if leads_out_safely(url) {
            let _ = write!(
                self.html,
                "<a href=\"{}\" rel=\"noopener noreferrer nofollow\">",
                escaped(url)
            );
            self.links.push("</a>");
        } else {
            self.links.push("");
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Link => {
                let end = self.links.pop().unwrap_or_default();
                self.html.push_str(end);
            }
            TagEnd::Heading(_) => self.html.push_str("</strong></p>"),
            TagEnd::CodeBlock => self.html.push_str("</code></pre>"),
            TagEnd::List(true) => self.comes_back("</ol>"),
            TagEnd::List(false) => self.comes_back("</ul>"),
            TagEnd::BlockQuote(_) => self.comes_back("</blockquote>"),
            TagEnd::Item if self.depth <= DEPTH_MAX => self.html.push_str("</li>"),
            TagEnd::Paragraph => self.html.push_str("</p>"),
            TagEnd::Emphasis => self.html.push_str("</em>"),
            TagEnd::Strong => self.html.push_str("</strong>"),
            TagEnd::Strikethrough => self.html.push_str("</del>"),
            TagEnd::Table => self.html.push_str("</table></div>"),
            TagEnd::TableHead => {
                self.is_head = false;
                self.html.push_str("</tr></thead>");
            }
            TagEnd::TableRow => self.html.push_str("</tr>"),
            TagEnd::TableCell if self.is_head => self.html.push_str("</th>"),
            TagEnd::TableCell => self.html.push_str("</td>"),
            _ => {}
        }
    }
}

/// Whether a link leads to the web or to mail, by a whole URL. Anything else, relative links too, means
/// something only where the text was written.
pub(crate) fn leads_out_safely(url: &str) -> bool {
    let folded = url.to_ascii_lowercase();
    let known = ["http://", "https://", "mailto:"];
    known.iter().any(|scheme| folded.starts_with(scheme)) && !url.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        html(text).to_string()
    }

    #[test]
    fn what_people_write_reads_well() {
        let text = "# Cars\n\nAll *new* and **used**, see `id`\nand [more](https://example.com/a?b=1&c=2).\n\n\
                    - one\n- two\n\n1. first\n\n```\na < b\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";

        let html = of(text);

        for part in [
            "<p><strong>Cars</strong></p>",
            "<em>new</em>",
            "<strong>used</strong>",
            "<code>id</code>",
            "href=\"https://example.com/a?b=1&amp;c=2\"",
            "<ul><li>one</li><li>two</li></ul>",
            "<ol start=\"1\">",
            "a &lt; b",
            "<th scope=\"col\">a</th>",
            "<td>2</td>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn nothing_of_theirs_runs_loads_or_leads_astray() {
        let hostile = [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "![a](https://evil.example/x.png)",
            "[a](javascript:alert(1))",
            "[a](JaVaScRiPt:alert(1))",
            "[a](data:text/html,x)",
            "[a](//evil.example)",
            "[a](/logout)",
            "<javascript:alert(1)>",
            "[a](https://example.com/\"onmouseover=\"alert(1))",
            "[\"><script>](https://example.com 'x\"><script>')",
            "```\"><script>\nx\n```",
            "<style>*{}</style>",
            "&lt;script&gt;",
        ];
        for text in hostile {
            let html = of(text);

            let tags: Vec<&str> = html.split('<').skip(1).collect();
            for tag in tags {
                let name: String = tag
                    .trim_start_matches('/')
                    .chars()
                    .take_while(char::is_ascii_alphabetic)
                    .collect();
                assert!(
                    ["p", "a", "code", "pre"].contains(&name.as_str()),
                    "{text}: {html}"
                );
                let rest: &str = tag.split('>').next().unwrap_or_default();
                assert!(
                    !rest.contains("on") || rest.contains("noopener"),
                    "{text}: {html}"
                );
            }
            assert!(
                !html.contains("href=\"javascript") && !html.contains("href=\"/"),
                "{html}"
            );
        }
    }

    #[test]
    fn what_is_nested_without_end_costs_little() {
        for text in [
            "> ".repeat(20_000),
            "- ".repeat(20_000),
            "[".repeat(60_000),
            "*a ".repeat(20_000),
        ] {
            let html = of(&text);
            assert!(html.len() < 1_000_000, "{}", html.len());
            let opened = html.matches("<blockquote>").count() + html.matches("<ul>").count();
            assert!(opened <= DEPTH_MAX, "{opened}");
        }
        assert!(of(&"a".repeat(BYTES_MAX + 1)).starts_with("<p class=\"as-written\">aaa"));
    }

    #[test]
    fn a_line_has_no_marks_and_an_end() {
        assert_eq!(
            line("# Cars\n\nAll *new*, and **used**.", 100),
            "Cars All new, and used."
        );
        assert_eq!(line("one two three", 8), "one two…");
        assert_eq!(line("<b>x</b>", 100), "x");
    }
}
