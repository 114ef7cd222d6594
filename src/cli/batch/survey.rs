//! Checks all rows before the first render: counts them, verifies that they have the variables of the output name, and
//! that no two rows would write one file.

use super::rows_file::RowsFile;
use crate::cli::failure::Failure;
use crate::hash::ContentHash;
use crate::report::truncated;
use crate::rows::{NamePattern, UsedNames};

/// Result of the check.
pub(super) struct Survey {
    /// Number of rows, broken ones included.
    pub(super) total: u64,
    /// SHA-256 of the file.
    pub(super) hash: ContentHash,
}

/// Maximum number of variable names in an error message.
const MAX_LISTED_NAMES: usize = 20;

/// Checks the rows of `file`. `pages`: number of file names per row. Broken rows are reported by the run, not here.
pub(super) fn survey(file: &RowsFile, names: &NamePattern, output: &str, pages: usize) -> Result<Survey, Failure> {
    let (mut rows, hash) = file.rows().map_err(|error| file.failure(&error))?;
    let mut unknown: Vec<&str> = names.variables().collect();
    if let Some(columns) = rows.columns() {
        unknown.retain(|name| !columns.iter().any(|column| column == name));
        if let Some(name) = unknown.first() {
            return Err(unknown_placeholder(name, output, columns.iter().map(String::as_str)));
        }
    }
    let (mut total, mut taken, mut first_names) = (0, UsedNames::default(), None);
    for item in &mut rows {
        total += 1;
        let Ok(row) = item.map_err(|error| file.failure(&error))? else { continue };
        unknown.retain(|name| !row.has(name));
        first_names.get_or_insert_with(|| row.variables.keys().cloned().collect::<Vec<_>>());
        for page in 1..=pages {
            let Ok(name) = names.fill_in(&row, page) else { break };
            if let Err(first) = taken.take(&name, row.number) {
                return Err(Failure::Usage(format!(
                    "rows {first} and {} would both be written to {name}; add {{row}} to the name: -o {}",
                    row.number,
                    with_row(output),
                )));
            }
        }
    }
    match (unknown.first(), first_names) {
        (Some(name), Some(known)) => Err(unknown_placeholder(name, output, known.iter().map(String::as_str))),
        _ => Ok(Survey { total, hash: hash.get() }),
    }
}

fn unknown_placeholder<'a>(name: &str, output: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let mut known: Vec<_> = known.map(|it| format!("{{{}}}", truncated(it))).collect();
    let more = known.len().saturating_sub(MAX_LISTED_NAMES);
    known.truncate(MAX_LISTED_NAMES);
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Failure::Usage(format!(
        "no row has a variable called \"{}\", which the output name {output} contains; accepted: {{row}}, \
         {{page}}, {}{and_more}",
        truncated(name),
        known.join(", ")
    ))
}

/// Inserts `-{row}` before the extension.
fn with_row(output: &str) -> String {
    let dot = output.rfind('.').filter(|dot| !output[*dot..].contains(['/', '}'])).unwrap_or(output.len());
    format!("{}-{{row}}{}", &output[..dot], &output[dot..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_placeholder_goes_before_the_extension() {
        assert_eq!(with_row("out/{name}.png"), "out/{name}-{row}.png");
        assert_eq!(with_row("out.d/{a.b}"), "out.d/{a.b}-{row}");
    }
}
