//! Output of rows, and rows, names and designs that are refused before rendering starts.

use serde_json::{Value, json};

use super::{Folder, read};

#[test]
fn rows_in_every_format_give_the_same_pictures() {
    let folder = Folder::new();
    folder.write("a.csv", "\u{FEFF}name,age\nAda,36\n\"Zoë \"\"Z\"\"\",7\n");
    folder.write("b.json", json!([{"name": "Ada", "age": 36}, {"variables": {"name": "Zoë \"Z\"", "age": 7}}]));
    folder.write("c.ndjson", "{\"name\":\"Ada\",\"age\":36}\n\n{\"name\":\"Zoë \\\"Z\\\"\",\"age\":7}\n");
    for rows in ["a.csv", "b.json", "c.ndjson"] {
        let output = format!("{rows}.out/{{name}}-{{age}}-{{row}}.png");
        let ended = folder.batch(&["card.json", rows, "-o", &output]);
        ended.expect(0, "2 of 2 rows done, 0 failed");
    }
    for name in ["Ada-36-1.png", "Zoë _Z_-7-2.png"] {
        let csv = read(&folder.path("a.csv.out").join(name));
        assert!(csv.starts_with(b"\x89PNG"));
        for rows in ["b.json.out", "c.ndjson.out"] {
            assert!(read(&folder.path(rows).join(name)) == csv, "{rows}/{name}");
        }
    }
    let [ada, zoe] = ["Ada-36-1.png", "Zoë _Z_-7-2.png"].map(|name| read(&folder.path("a.csv.out").join(name)));
    assert!(ada != zoe);
}

#[test]
fn rows_equal_the_output_of_render() {
    let folder = Folder::new();
    folder.write("rows.json", json!([{"variables": {"name": "Ada"}, "options": {"pixelRatio": 2}}, {"name": "Bob"}]));
    folder.batch(&["card.json", "rows.json", "-o", "out/{name}.jpg", "--options", r#"{"quality": 0.5}"#]).expect(0, "");
    for (name, options) in [("Ada", r#"{"quality": 0.5, "pixelRatio": 2}"#), ("Bob", r#"{"quality": 0.5}"#)] {
        let variables = json!({ "name": name }).to_string();
        let arguments = ["card.json", "-o", "one.jpg", "--options", options, "--variables", &variables];
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenter"));
        let rendered = command.arg("render").args(arguments).current_dir(folder.0.path()).output().expect("runs");
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        assert!(read(&folder.path("one.jpg")) == read(&folder.path(&format!("out/{name}.jpg"))), "{name}");
    }
}

#[test]
fn manifest_has_fingerprints_of_rows() {
    let folder = Folder::new();
    let small = json!({"variables": {"name": "Ada"}, "options": {"pixelRatio": 0.5}});
    folder.write("rows.json", json!([{"name": "Ada"}, {"name": "Ada"}, small, {"name": "Bob"}, {"name": ["broken"]}]));
    folder.batch(&["card.json", "rows.json", "-o", "out/{row}.png"]).expect(5, "4 of 5 rows done, 1 failed");
    let manifest = folder.manifest();
    let made = |row: u64| (manifest[&row]["fingerprint"].clone(), manifest[&row]["sha256"].clone());
    assert!(made(1).0.as_str().is_some_and(|it| it.len() == 64), "{:?}", made(1));
    assert_eq!(made(1), made(2), "equal rows");
    assert_ne!(made(1).0, made(3).0, "another option");
    assert_ne!(made(1).0, made(4).0, "another value");
    assert_eq!(made(5).0, Value::Null, "a failed row has no fingerprint");
}

#[test]
fn rows_may_have_pages_and_pdfs() {
    let folder = Folder::new();
    let design = json!({"width": 30, "height": 20, "pages": [{"id": "one"}, {"id": "two", "background": "red"}]});
    folder.write("card.json", design);
    folder.write("rows.csv", "sku\na\nb\n");
    folder.batch(&["card.json", "rows.csv", "-o", "out/{sku}/{page}.png", "--all-pages"]).expect(0, "2 of 2 rows done");
    for row in ["a", "b"] {
        assert!(read(&folder.path(&format!("out/{row}/1.png"))) != read(&folder.path(&format!("out/{row}/2.png"))));
    }
    let pages = &folder.manifest()[&1]["pages"];
    assert_eq!((pages[1]["page"].as_u64(), pages[1]["file"].as_str()), (Some(2), Some("out/a/2.png")));
    assert!(pages[0]["fingerprint"].is_string() && pages[0]["fingerprint"] != pages[1]["fingerprint"], "{pages}");
    assert_eq!(folder.manifest()[&1]["fingerprint"], Value::Null, "each page is a separate file");
    folder.batch(&["card.json", "rows.csv", "-o", "pdf/{sku}.pdf", "--vector"]).expect(0, "2 of 2 rows done");
    assert!(read(&folder.path("pdf/b.pdf")).starts_with(b"%PDF"));
    folder.batch(&["card.json", "rows.csv", "-o", "x/{sku}.png", "--all-pages"]).expect(2, "--all-pages needs {page}");
}

#[test]
fn unused_variables_are_warnings() {
    let folder = Folder::new();
    folder.write("rows.csv", "name,sku,note\nAda,a-1,x\n");
    folder.batch(&["card.json", "rows.csv", "-o", "out/{sku}.png"]).expect(0, "1 of 1 rows done, 1 with warnings");
    let warnings = &folder.manifest()[&1]["warnings"];
    assert_eq!(warnings.as_array().map(Vec::len), Some(1), "a variable of the file name counts as used: {warnings}");
    assert_eq!((&warnings[0]["code"], &warnings[0]["path"]), (&json!("variable_unused"), &json!("variables.note")));
}

#[test]
fn rows_fill_every_placeholder() {
    let folder = Folder::new();
    folder.write("rows.json", json!([{"name": "Ada"}, {"nmae": "Bob"}]));
    let ended = folder.batch(&["card.json", "rows.json", "-o", "out/{row}.png"]);
    ended.expect(5, "1 of 2 rows done, 1 failed");
    ended.expect(5, "error: 1 row failed; see out/manifest.ndjson for the reasons, or retry it with --resume");
    let words = "row 2: pages[0].children[0].text: no variable is called \"name\"; {name} is drawn as it is; every row of a \
                 batch must fill all placeholders";
    assert_eq!(folder.manifest()[&2]["error"], words);
    assert_eq!(folder.manifest()[&2]["problems"][0]["path"], "pages[0].children[0].text");
    assert_eq!(folder.out(), ["1.png", "manifest.ndjson", "manifest.run.ndjson"]);
}

#[test]
fn designs_that_fail_for_every_row_are_refused() {
    let folder = Folder::new();
    folder.write("rows.csv", "name\nAda\n");
    for (design, words) in [
        (json!({"pages": {"one": 1}}), "error: pages: found an object"),
        (json!({"pages": [{"children": [{"type": "hologram"}]}]}), "Unknown element type: \"hologram\""),
    ] {
        folder.write("broken.json", design);
        folder.batch(&["broken.json", "rows.csv", "-o", "out/{row}.png"]).expect(1, words);
        assert_eq!(folder.out(), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn file_names_cannot_leave_the_output_folder() {
    let folder = Folder::new();
    folder.write("rows.json", json!([{"name": "../../evil"}, {"name": "/etc/x"}, {"name": "con"}, {"name": ".."}]));
    folder.batch(&["card.json", "rows.json", "-o", "out/{name}.png"]).expect(0, "4 of 4 rows done");
    let expected = ["_..png", "_._.._evil.png", "_etc_x.png", "con_.png", "manifest.ndjson", "manifest.run.ndjson"];
    assert_eq!(folder.out(), expected);
}

#[test]
fn names_are_checked_before_rendering() {
    let folder = Folder::new();
    folder.write("rows.csv", "name,age\nAda,1\nBob,2\nada,3\n");
    folder.write("rows.json", json!([{"name": "Ada"}, {"name": "Bob", "age": 3}]));
    let refused = |rows: &str, output: &str, words: &str| {
        folder.batch(&["card.json", rows, "-o", output]).expect(2, words);
        assert_eq!(folder.out(), Vec::<String>::new(), "{words}");
    };
    let unknown = "no row has a variable called \"sku\", which the output name out/{sku}.png contains; accepted: {row}, \
                   {page}, {name}";
    refused("rows.csv", "out/{sku}.png", &format!("{unknown}, {{age}}"));
    refused("rows.json", "out/{sku}.png", unknown);
    let twice = "rows 1 and 3 would both be written to out/ada.png; add {row} to the name: -o out/{name}-{row}.png";
    refused("rows.csv", "out/{name}.png", twice);
    refused("rows.csv", "out/all.png", "all rows would be written to out/all.png");
    refused("rows.csv", "out/{name.png", "unbalanced braces");
    // A row without a value that other rows have fails alone.
    folder.batch(&["card.json", "rows.json", "-o", "out/{age}.png"]).expect(5, "row 1: age: is missing");
    assert_eq!(folder.manifest()[&2]["file"], "out/3.png");
}

#[test]
fn files_without_valid_rows_are_refused() {
    let folder = Folder::new();
    for (name, contents, code, words) in [
        ("a.csv", "a,b,a\n", 1, "a.csv: two columns are called \"a\""),
        ("a.json", "{\"rows\": []}", 1, "a.json: this is one JSON object"),
        ("b.json", "[{\"a\":1}", 1, "the array is not closed at the end of the file (line 1)"),
        ("a.txt", "a\n", 2, "the format of the rows is unknown; use the extension .csv, .json or .ndjson"),
    ] {
        folder.write(name, contents);
        folder.batch(&["card.json", name, "-o", "out/{row}.png"]).expect(code, words);
    }
    folder.write("many.csv", "a\n1\n2\n3\n");
    let arguments = ["card.json", "many.csv", "-o", "out/{row}.png", "--batch-max-rows", "2"];
    folder.batch(&arguments).expect(1, "more than 2 rows; the limit is 2 (TENTER_BATCH_MAX_ROWS)");
    folder.batch(&["card.json", ".", "-o", "out/{row}.png", "--rows-format", "csv"]).expect(2, "is not a regular file");
    assert_eq!(folder.out(), Vec::<String>::new());
}

#[test]
fn table_without_rows_succeeds_without_output() {
    let folder = Folder::new();
    folder.write("rows.csv", "name\n");
    folder.batch(&["card.json", "rows.csv", "-o", "out/{name}.png"]).expect(0, "0 of 0 rows done");
    assert_eq!(folder.manifest().values().collect::<Vec<_>>(), Vec::<&Value>::new());
}
