//! Report of a golden run: an HTML page with expected, difference and actual of each failed case, and the numbers as
//! JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::golden::{Outcome, Verdict};

/// Writes `index.html` and `report.json` into `folder`, which must exist.
pub(crate) fn write(folder: &Path, outcomes: &[Outcome]) -> std::io::Result<()> {
    std::fs::write(folder.join("report.json"), format!("{:#}\n", numbers(outcomes)))?;
    std::fs::write(folder.join("index.html"), page(outcomes))
}

fn numbers(outcomes: &[Outcome]) -> Value {
    let case = |outcome: &Outcome| {
        let mut case = json!({ "case": outcome.case, "verdict": outcome.verdict.name() });
        if let Verdict::Failed(message) = &outcome.verdict {
            case["message"] = json!(message);
        }
        if let Some(difference) = &outcome.difference {
            case["max"] = json!(difference.max);
            case["mean"] = json!(difference.mean);
            case["share_over_8"] = json!(difference.visible_share);
        }
        case
    };
    json!({ "cases": outcomes.iter().map(case).collect::<Vec<_>>() })
}

fn page(outcomes: &[Outcome]) -> String {
    let failed: Vec<_> = outcomes.iter().filter(|it| matches!(it.verdict, Verdict::Failed(_))).collect();
    let mut html = format!(
        "<!doctype html><meta charset=utf-8><title>goldens</title><style>\
         body {{ font: 14px sans-serif; background: #ddd }} figure {{ display: inline-block; margin: 8px }}\
         img {{ image-rendering: pixelated; width: 300px; background: repeating-conic-gradient(#fff 0 25%, #eee 0 50%) 0 0/16px 16px }}\
         </style><h1>{} of {} cases differ</h1>\n",
        failed.len(),
        outcomes.len()
    );
    for outcome in failed {
        let Verdict::Failed(message) = &outcome.verdict else { continue };
        // `write!` to a `String` never returns an error.
        let _ = write!(html, "<h2>{}</h2><p>{}</p>", escape(&outcome.case), escape(message));
        for part in ["expected", "difference", "actual"] {
            let _ = write!(
                html,
                "<figure><img src=\"{0}.{part}.png\" alt=\"missing\"><figcaption>{part}</figcaption></figure>",
                escape(&outcome.case)
            );
        }
        html.push('\n');
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
