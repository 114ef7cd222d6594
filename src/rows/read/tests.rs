use serde_json::{Value, json};

use super::*;

const PARSER: JsonParser = JsonParser::new(100);

fn limits() -> BatchSettings {
    BatchSettings { rows: 100, row_bytes: 60, ..BatchSettings::default() }
}

/// Valid rows as JSON, invalid ones as text; `Err` adds the message of the error that ended the reading.
fn read(format: RowFormat, input: &[u8]) -> Result<Vec<Value>, (Vec<Value>, String)> {
    // A small buffer, so that rows span several of them.
    let input = io::BufReader::with_capacity(7, input);
    let rows = Rows::new(input, format, &limits(), PARSER).map_err(|error| (Vec::new(), error.to_string()))?;
    let mut read = Vec::new();
    for row in rows {
        match row {
            Ok(Ok(row)) => read.push(row.to_json()["variables"].clone()),
            Ok(Err(broken)) => read.push(broken.to_string().into()),
            Err(error) => return Err((read, error.to_string())),
        }
    }
    Ok(read)
}

fn refused(format: RowFormat, input: &[u8]) -> String {
    read(format, input).expect_err("refused").1
}

#[test]
fn rows_are_the_same_in_every_format() {
    let expected = vec![json!({"name": "Ada", "text": "a,b\n\"c\""}), json!({"name": "Zoë", "text": ""})];
    let csv = "\u{FEFF}name, text\r\nAda,\"a,b\n\"\"c\"\"\"\r\n\r\nZoë,\r\n";
    let ndjson = "{\"name\":\"Ada\",\"text\":\"a,b\\n\\\"c\\\"\"}\n\n \n{\"name\":\"Zoë\",\"text\":\"\"}";
    let json =
        " [\n{\"name\":\"Ada\",\"text\":\"a,b\\n\\\"c\\\"\"} ,{\"variables\":{\"name\":\"Zoë\",\"text\":\"\"}}\n] ";
    for (format, text) in [(RowFormat::Csv, csv), (RowFormat::Ndjson, ndjson), (RowFormat::Json, json)] {
        assert_eq!(read(format, text.as_bytes()), Ok(expected.clone()), "{format:?}");
    }
}

#[test]
fn rows_may_be_none() {
    for (format, text) in [(RowFormat::Csv, "a,b\n"), (RowFormat::Ndjson, "\n"), (RowFormat::Json, " [ ] ")] {
        assert_eq!(read(format, text.as_bytes()), Ok(Vec::new()), "{format:?}");
    }
}

#[test]
fn json_rows_that_are_broken_end_nothing() {
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(60));
    let text = format!("[{{\"a\":1}},\n{{\"a\":}}, 5, {long},\n{{\"a\":[\"]\\\"}}\"]}}, {{\"a\":\"],[\"}}]");
    let rows = read(RowFormat::Json, text.as_bytes()).expect("rows");
    assert_eq!(rows.len(), 6);
    assert_eq!((&rows[0], &rows[5]), (&json!({"a": 1}), &json!({"a": "],["})));
    let messages: Vec<_> = rows[1..5].iter().filter_map(Value::as_str).collect();
    assert!(messages[0].starts_with("row 2 (line 2): this is not JSON: "), "{}", messages[0]);
    assert_eq!(
        messages[1..],
        [
            "row 3 (line 2): found the number 5; accepted: an object",
            "row 4 (line 2): longer than 60 bytes, the limit of a row (TENTER_BATCH_MAX_ROW_BYTES)",
            "row 5 (line 3): a: found an array with 1 entry; accepted: a string, a number, true, false",
        ]
    );
}

#[test]
fn json_that_is_no_array_is_no_rows() {
    assert!(refused(RowFormat::Json, b"{\"a\":1}").contains("one JSON object"));
    assert!(refused(RowFormat::Json, b"name\n").contains("is not a JSON array"));
    assert!(refused(RowFormat::Json, b"").contains("is not a JSON array"));
    assert!(refused(RowFormat::Json, b"\xFF\xFE[\0").contains("UTF-16"));
    assert!(refused(RowFormat::Json, b"[] x").contains("may follow the array"));
    let (before, error) = read(RowFormat::Json, b"[{\"a\":1},\n{\"a\":\"2}]").expect_err("an open quote");
    assert_eq!((before.len(), error.contains("(line 2)")), (1, true), "{error}");
}

#[test]
fn ndjson_lines_that_are_broken_end_nothing() {
    let text = [b"{\"a\":1}\n{\"a\":\"\xFF\"}\n".as_slice(), &[b'x'; 500], b"\n\n{\"a\":2}\n[]\n"].concat();
    let rows = read(RowFormat::Ndjson, &text).expect("rows");
    assert_eq!((rows.len(), &rows[0], &rows[3]), (5, &json!({"a": 1}), &json!({"a": 2})));
    let messages: Vec<_> = [1, 2, 4].iter().filter_map(|at| rows[*at].as_str()).collect();
    assert!(messages[0].starts_with("row 2 (line 2): this is not JSON: "), "{}", messages[0]);
    assert!(messages[1].starts_with("row 3 (line 3): longer than 60 bytes"), "{}", messages[1]);
    assert_eq!(messages[2], "row 5 (line 6): found an empty array; accepted: an object");
}

#[test]
fn csv_rows_that_are_broken_end_nothing() {
    let text = [b"a,b\n1,2\n3\n4,\xFF\n".as_slice(), &[b'x'; 100], b",5\n\"6\n7\",8\n9,10,\"\n\"\n"].concat();
    let rows = read(RowFormat::Csv, &text).expect("rows");
    assert_eq!((&rows[0], &rows[4]), (&json!({"a": "1", "b": "2"}), &json!({"a": "6\n7", "b": "8"})));
    let messages: Vec<_> = [1, 2, 3, 5].iter().filter_map(|at| rows[*at].as_str()).collect();
    assert_eq!(
        messages,
        [
            "row 2 (line 3): has 1 value; the first line has 2 names",
            "row 3 (line 4): b: is not UTF-8; save the file as UTF-8",
            "row 4 (line 5): longer than 60 bytes, the limit of a row (TENTER_BATCH_MAX_ROW_BYTES)",
            "row 6 (line 8): has 3 values; the first line has 2 names; a value spans several lines, so a quote may not \
             be closed",
        ]
    );
}

#[test]
fn csv_names_must_be_usable() {
    for (text, words) in [
        (b"".as_slice(), "is empty"),
        (b"a,b,a\n", "two columns are called \"a\""),
        (b"a,,b\n", "column 2 has no name"),
        (b"a,\xFF\n", "column 2 is not UTF-8"),
        (b"a;b;c\n1;2;3\n", "accepted: values separated by commas"),
    ] {
        let message = refused(RowFormat::Csv, text);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn csv_quote_that_is_never_closed_is_an_error_with_its_line() {
    let text = b"a,b\n1,2\n\"x\ny\",\"3\n4,5\n6,7\n";
    let (before, error) = read(RowFormat::Csv, text).expect_err("an open quote");
    assert_eq!((before, &*error), (vec![json!({"a": "1", "b": "2"})], "the quote in line 4 is not closed"));
    assert_eq!(refused(RowFormat::Csv, b"\"a,b\n1,2\n"), "the quote in line 1 is not closed");
    for closed in ["a\n\"\"\"\"", "a\n1\"", "a\n\"1\"2\"", "\u{FEFF}\"a\"\n1", "a\r\n\"1\r\n2\"\r\n"] {
        assert!(read(RowFormat::Csv, closed.as_bytes()).is_ok(), "{closed:?}");
    }
}

#[test]
fn csv_quote_that_is_never_closed_takes_bounded_memory() {
    let endless = io::repeat(b'x');
    let input = io::BufReader::new(io::Read::chain(b"a\n\"".as_slice(), endless));
    let mut rows = Rows::new(input, RowFormat::Csv, &limits(), PARSER).expect("names");
    let error = rows.next().expect("an item").expect_err("endless");
    assert_eq!(error.to_string(), "row 1 does not end; a quote may not be closed");
    assert!(rows.next().is_none());
}

#[test]
fn rows_beyond_the_limit_are_an_error() {
    let exactly = "{}\n".repeat(100);
    assert_eq!(read(RowFormat::Ndjson, exactly.as_bytes()).map(|it| it.len()), Ok(100));
    let (before, error) = read(RowFormat::Ndjson, "{}\n".repeat(101).as_bytes()).expect_err("one too many");
    assert_eq!((before.len(), &*error), (100, "more than 100 rows; the limit is 100 (TENTER_BATCH_MAX_ROWS)"));
}

#[test]
fn row_formats_have_endings_and_media_types() {
    assert_eq!(RowFormat::from_extension("JSONL"), Some(RowFormat::Ndjson));
    assert_eq!(RowFormat::from_extension("xlsx"), None);
    assert_eq!(RowFormat::from_media_type("Text/CSV; charset=utf-8"), Some(RowFormat::Csv));
    assert_eq!(RowFormat::from_media_type("text/plain"), None);
}
