//! The mail as HTML: as simple as mail programs like it, and nothing in it comes from elsewhere.

use std::fmt::{self, Write as _};

use super::letter::{Item, Letter};

pub(super) fn html(letter: &Letter) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    _ = write(letter, &mut html);
    html
}

const BODY: &str = "margin:0;padding:24px 12px;background:#f2f2ef";
const SHEET: &str = "max-width:560px;margin:0 auto;padding:28px;background:#fff;border-radius:6px;\
                     font:16px/1.5 Helvetica,Arial,sans-serif;color:#222;overflow-wrap:anywhere";
const HEADING: &str = "margin:28px 0 8px;font-size:18px";
const CELL: &str = "padding:8px 0 8px 12px;border-bottom:1px solid #ddd;text-align:right;vertical-align:top";
const FIRST_CELL: &str = "padding:8px 0;border-bottom:1px solid #ddd;text-align:left;vertical-align:top";

fn write(letter: &Letter, html: &mut String) -> fmt::Result {
    let Letter { subject, greeting, news, next, .. } = letter;
    writeln!(
        html,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{}</title>
</head>
<body style="{BODY}">
<div style="{SHEET}">
<p style="margin:0 0 16px">{}</p>
<p>{}</p>"#,
        Escaped(subject),
        Escaped(greeting),
        Escaped(news),
    )?;
    if !letter.reasons.is_empty() {
        writeln!(html, "<h2 style=\"{HEADING}\">Why</h2>\n<ul style=\"margin:0;padding-left:20px\">")?;
        for reason in &letter.reasons {
            writeln!(html, "<li>{}</li>", Escaped(reason))?;
        }
        writeln!(html, "</ul>")?;
    }
    write_items(letter, html)?;
    writeln!(
        html,
        "<h2 style=\"{HEADING}\">What happens next</h2>\n<p style=\"margin:0\">{}</p>",
        Escaped(next)
    )?;
    if let Some(name) = &letter.signature {
        writeln!(html, "<p style=\"margin:28px 0 0\">Kind regards,<br>{}</p>", Escaped(name))?;
    }
    writeln!(html, "</div>\n</body>\n</html>")
}

fn write_items(letter: &Letter, html: &mut String) -> fmt::Result {
    if letter.items.is_empty() {
        return Ok(());
    }
    writeln!(
        html,
        "<h2 style=\"{HEADING}\">Your order</h2>\n<table style=\"width:100%;border-collapse:collapse\">"
    )?;
    write_row("th", ["Item", "Quantity", "Price", "Amount"], html)?;
    for Item { quantity, product, each, amount } in &letter.items {
        write_row("td", [product, &quantity.to_string(), each, amount], html)?;
    }
    let (first, last) = (FIRST_CELL, CELL);
    writeln!(
        html,
        "<tr><th colspan=\"3\" style=\"{first}\">Total</th><th style=\"{last}\">{}</th></tr>\n</table>",
        Escaped(&letter.total)
    )
}

fn write_row(element: &str, cells: [&str; 4], html: &mut String) -> fmt::Result {
    html.push_str("<tr>");
    for (column, cell) in cells.into_iter().enumerate() {
        let style = if column == 0 { FIRST_CELL } else { CELL };
        write!(html, "<{element} style=\"{style}\">{}</{element}>", Escaped(cell))?;
    }
    writeln!(html, "</tr>")
}

/// Text as it stands in an element or an attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}
