//! The endpoints below `/api/batches`.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::calls::{create, create_of, finished, lines as lines_of, manifest, path, request, unzipped};
use super::pictures::Pictures;
use super::service::{png_size, service};
use super::{design, rows};

const LOCAL: (&str, &str) = ("TENTER_ALLOW_ADDRESSES", "127.0.0.1");

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of 500 rows, 10 fail, and 4 of these succeed after a retry.
#[tokio::test]
async fn failed_rows_have_errors_and_can_be_retried() {
    let service = service(&[LOCAL]);
    let pictures = Pictures::start();
    pictures.set_broken(true);
    let mut rows = rows(500);
    for (row, missing) in [7, 77, 177, 277].into_iter().zip(0..) {
        rows[row - 1]["photo"] = pictures.url(&format!("{missing}.png")).into();
    }
    for row in [8, 88, 188] {
        rows[row - 1]["name"] = json!(["broken"]);
    }
    for row in [9, 99, 199] {
        rows[row - 1] = json!({"nmae": "misspelt"});
    }
    let batch = create(&service, &json!({"design": design(), "rows": rows, "fileName": "{row}"})).await;
    assert_eq!(
        (&batch["rows"], &batch["counts"]["error"]),
        (&json!(500), &json!(3)),
        "broken values are known at once"
    );
    let done = finished(&service, &batch).await;
    assert_eq!(done["counts"], json!({"scheduled": 0, "progress": 0, "done": 490, "error": 10}));

    let errors = service.get(&path(&batch, "/items?status=error")).await.json();
    assert_eq!(errors["total"], 10);
    let told: Vec<_> = errors["items"].as_array().expect("items").iter().map(|it| (&it["row"], &it["error"])).collect();
    for (row, words) in [
        (7, "0.png: the server answered 404"),
        (8, "row 8: name: found an array with 1 entry; accepted: a string, a number, true, false"),
        (
            9,
            "no variable is called \"name\"; {name} is drawn as it is; every row of a batch must fill all placeholders",
        ),
    ] {
        let error = told.iter().find(|it| *it.0 == row).expect("told").1.as_str().expect("text");
        assert!(error.contains(words), "{error}");
    }
    let lines = manifest(&service, &batch).await;
    assert_eq!(lines.iter().map(|it| it["row"].as_u64()).collect::<Vec<_>>(), (1..=500).map(Some).collect::<Vec<_>>());
    assert_eq!(lines.iter().filter(|it| it["status"] == "done").count(), 490);
    let first = &lines[0];
    let file = service.get(first["url"].as_str().expect("a link").trim_start_matches("http://render.test:8080")).await;
    assert_eq!((file.status, png_size(&file.body)), (StatusCode::OK, (30, 20)));
    assert_eq!((&first["bytes"], &first["sha256"]), (&json!(file.body.len()), &json!(hex(&file.body))));
    assert!(first["timings"]["paint"].is_number() && first["file"] == "1.png", "{first}");

    pictures.set_broken(false);
    let waiting = service.call(request(Method::POST, &path(&batch, "/retry"))).await.json();
    assert_eq!((&waiting["status"], &waiting["counts"]["scheduled"]), (&json!("scheduled"), &json!(7)));
    let done = finished(&service, &batch).await;
    assert_eq!(done["counts"], json!({"scheduled": 0, "progress": 0, "done": 494, "error": 6}));

    let answer = service.get(&path(&batch, "/archive")).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/zip"));
    let entries = unzipped(&answer.body);
    assert_eq!(entries.len(), 495, "every row that is done, and the manifest");
    assert_eq!(entries["1.png"], file.body);
    for line in lines_of(&entries["manifest.ndjson"]).iter().filter(|it| it["status"] == "done") {
        let name = line["file"].as_str().expect("a name");
        assert_eq!(line["sha256"], hex(&entries[name]), "{line}");
    }
}

#[tokio::test]
async fn invalid_call_is_refused_with_all_its_problems() {
    let service = service(&[("TENTER_BATCH_MAX_ROWS", "3")]);
    let refused = async |body: Value| service.post("/api/batches", &body.to_string()).await;
    let answer = refused(json!({"pixelRatio": 0, "fileName": "{"})).await;
    let paths: Vec<_> =
        answer.json()["problems"].as_array().expect("a list").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(
        (answer.status, paths),
        (StatusCode::BAD_REQUEST, vec!["pixelRatio".into(), "design".into(), "rows".into(), "fileName".into()])
    );
    let many = refused(json!({"design": design(), "rows": rows(4)})).await;
    assert!(
        many.status == StatusCode::BAD_REQUEST && many.error().contains("TENTER_BATCH_MAX_ROWS"),
        "{}",
        many.error()
    );
    let closed = refused(json!({"designUrl": "http://127.0.0.1:1/d.json", "rows": rows(1)})).await;
    assert_eq!(
        (closed.status, &closed.json()["problems"][0]["path"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("designUrl"))
    );
    let nowhere = refused(json!({"design": design(), "rowsUrl": "http://a.test/rows"})).await;
    assert!(nowhere.error().contains("rowsFormat"), "{}", nowhere.error());
    let text = create_of(&service, "text/plain", "", "a").await;
    assert!(text.status == StatusCode::UNSUPPORTED_MEDIA_TYPE && text.error().contains("text/csv"), "{}", text.error());
    assert_eq!(service.get("/api/batches").await.json()["total"], 0);
}

/// Values of rows only change texts and URLs with placeholders, so that other problems affect every row.
#[tokio::test]
async fn invalid_design_is_refused_with_all_its_problems() {
    let service = service(&[]);
    let create = async |design: Value| {
        let body = json!({"design": design, "rows": rows(1)});
        service.post("/api/batches", &body.to_string()).await
    };
    let broken =
        json!({"width": "wide", "pages": [{"children": [{"type": "hologram"}, {"type": "group", "children": 5}]}]});
    let answer = create(broken).await;
    let problems = answer.json()["problems"].clone();
    let paths: Vec<_> = problems.as_array().expect("a list").iter().map(|it| it["path"].clone()).collect();
    let children = "design.pages[0].children";
    let expected = vec!["design.width".into(), format!("{children}[0].type"), format!("{children}[1].children")];
    assert_eq!((answer.status, paths), (StatusCode::BAD_REQUEST, expected.into_iter().map(Value::from).collect()));
    let answer = create(json!({"pages": {}})).await;
    assert_eq!(
        (answer.status, &answer.json()["problems"][0]["path"]),
        (StatusCode::BAD_REQUEST, &json!("design.pages"))
    );
    assert_eq!(service.get("/api/batches").await.json()["total"], 0);

    let mut mended = design();
    mended["pages"][0]["children"][1]["src"] = 5.into();
    let with_photo = json!([{"name": "Ada", "photo": super::WHITE}, {"name": "Bob"}]);
    let batch = super::calls::create(&service, &json!({"design": mended, "rows": with_photo})).await;
    assert_eq!(
        finished(&service, &batch).await["counts"],
        json!({"scheduled": 0, "progress": 0, "done": 1, "error": 1})
    );
}

#[tokio::test]
async fn variables_of_file_names_cause_no_warning() {
    let service = service(&[("TENTER_MIN_IMAGE_DPI", "0")]);
    let rows = json!([{"name": "Ada", "sku": "a-1", "note": "x"}]);
    let batch = create(&service, &json!({"design": design(), "rows": rows, "fileName": "{sku}"})).await;
    finished(&service, &batch).await;
    let line = &manifest(&service, &batch).await[0];
    assert_eq!(line["file"], "a-1.png");
    let told: Vec<_> = line["warnings"].as_array().expect("one").iter().map(|it| (&it["code"], &it["path"])).collect();
    assert_eq!(told, [(&json!("variable_unused"), &json!("variables.note"))]);
}

#[tokio::test]
async fn rows_are_csv_or_ndjson_or_downloaded() {
    let service = service(&[LOCAL]);
    let files = axum::Router::new()
        .route("/design.json", axum::routing::get(async || design().to_string()))
        .route("/rows.csv", axum::routing::get(async || "name\nC\nD\n"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, files).await }); // ends with the test's runtime

    let query = format!(
        "designUrl=http%3A%2F%2F{address}%2Fdesign.json&pixelRatio=2&ignoreBackground=true&fileName=%7Bname%7D"
    );
    // Sequential, since waiting for the end of one batch stops the worker for the others.
    let assert_ends = async |batch: &Value, done: u64, error: u64| {
        let counts = finished(&service, batch).await["counts"].clone();
        assert_eq!(counts, json!({"scheduled": 0, "progress": 0, "done": done, "error": error}), "{batch}");
    };
    let csv = create_of(&service, "text/csv; charset=utf-8", &query, "name\nA\nB\n").await.json();
    assert_ends(&csv, 2, 0).await;
    let ndjson = create_of(&service, "application/x-ndjson", &query, "{\"name\": \"A\"}\n{\"name\": ]\n").await.json();
    assert_ends(&ndjson, 1, 1).await;
    let elsewhere =
        create(&service, &json!({"design": design(), "rowsUrl": format!("http://{address}/rows.csv")})).await;
    assert_ends(&elsewhere, 2, 0).await;
    let text = create(&service, &json!({"design": design(), "rows": "name\nE\n", "rowsFormat": "csv"})).await;
    assert_ends(&text, 1, 0).await;
    let lines = manifest(&service, &csv).await;
    assert_eq!((&lines[0]["file"], &lines[1]["file"]), (&json!("A.png"), &json!("B.png")));
    let file =
        service.get(lines[0]["url"].as_str().expect("a link").trim_start_matches("http://render.test:8080")).await;
    assert_eq!(png_size(&file.body), (60, 40), "options stand in the query");
    assert_eq!(csv["design_sha256"], ndjson["design_sha256"]);
}

#[tokio::test]
async fn rows_may_override_options_except_the_format() {
    let service = service(&[]);
    let rows = json!([
        {"variables": {"name": "a"}, "options": {"pixelRatio": 3}},
        {"variables": {"name": "b"}, "options": {"format": "jpeg"}},
        {"variables": {"name": "c"}},
    ]);
    let body = json!({"design": design(), "rows": rows, "variables": {"name": "unused"}, "pixelRatio": 2});
    let batch = create(&service, &body).await;
    finished(&service, &batch).await;
    let lines = manifest(&service, &batch).await;
    let size = async |line: &Value| {
        let link = line["url"].as_str().expect("a link").trim_start_matches("http://render.test:8080").to_owned();
        png_size(&service.get(&link).await.body)
    };
    assert_eq!((size(&lines[0]).await, size(&lines[2]).await), ((90, 60), (60, 40)));
    assert!(lines[1]["error"].as_str().expect("text").starts_with("format: found jpeg; all files"), "{}", lines[1]);
}

#[tokio::test]
async fn key_gives_the_same_batch_or_409() {
    let service = service(&[]);
    let create = async |body: Value| {
        let mut request = super::service::post("/api/batches", &body.to_string());
        request.headers_mut().insert("idempotency-key", "order 7".parse().expect("a header"));
        service.call(request).await
    };
    let first = create(json!({"design": design(), "rows": rows(2)})).await;
    let again = create(json!({"design": design(), "rows": rows(2)})).await;
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(create(json!({"design": design(), "rows": rows(3)})).await.status, StatusCode::CONFLICT);
    assert_eq!(service.get("/api/batches").await.json()["total"], 1);
}

#[tokio::test]
async fn removed_batch_is_gone_with_its_files() {
    let service = service(&[LOCAL]);
    let pictures = Pictures::start();
    let mut some = rows(3);
    some[0]["photo"] = pictures.url("a.png").into();
    let batch = create(&service, &json!({"design": design(), "rows": some})).await;
    finished(&service, &batch).await;
    let waiting = create(&service, &json!({"design": design(), "rows": rows(9)})).await;
    let files = |name: &str| std::fs::read_dir(service.folder.path().join(name)).expect("a folder").count();
    assert_eq!((files("jobs"), files("pins")), (3, 1));
    for batch in [&batch, &waiting] {
        assert_eq!(service.call(request(Method::DELETE, &path(batch, ""))).await.status, StatusCode::NO_CONTENT);
        for rest in ["", "/items", "/manifest", "/archive", "/deliveries"] {
            assert_eq!(service.get(&path(batch, rest)).await.status, StatusCode::NOT_FOUND, "{rest}");
        }
    }
    assert_eq!(service.jobs.sweep().await, 0, "nothing has expired");
    assert_eq!((files("jobs"), files("pins")), (0, 0));
    let next = create(&service, &json!({"design": design(), "rows": rows(1)})).await;
    assert_eq!(finished(&service, &next).await["counts"]["done"], 1);
    assert_eq!(files("jobs"), 1, "waiting rows were not rendered");
}

#[tokio::test]
async fn batches_of_other_keys_are_not_found() {
    let service = service(&[("TENTER_KEYS", "a=first,b=second"), ("TENTER_KEY_ROWS", "4")]);
    let body = json!({"design": design(), "rows": rows(3)}).to_string();
    let batch = service.post("/api/batches?KEY=first", &body).await.json();
    for rest in ["", "/items", "/manifest", "/archive", "/deliveries"] {
        let status = async |key: &str| service.get(&format!("{}?KEY={key}", path(&batch, rest))).await.status;
        assert_eq!((status("first").await, status("second").await), (StatusCode::OK, StatusCode::NOT_FOUND), "{rest}");
        assert_eq!(service.get(&path(&batch, rest)).await.status, StatusCode::UNAUTHORIZED, "{rest}");
    }
    for (method, rest) in [(Method::DELETE, ""), (Method::POST, "/retry"), (Method::POST, "/deliveries/d/retry")] {
        let status = service.call(request(method, &format!("{}?KEY=second", path(&batch, rest)))).await.status;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    for id in ["nothing", "%FF", "abcabcabc"] {
        let status = async |key: &str| service.get(&format!("/api/batches/{id}{key}")).await.status;
        assert_eq!(
            (status("?KEY=first").await, status("").await),
            (StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED),
            "{id}"
        );
    }
    assert_eq!(service.get("/api/batches?KEY=second").await.json(), json!({"batches": [], "total": 0}));
    let full = service.post("/api/batches?KEY=first", &body).await;
    assert_eq!((full.status, full.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "10"));
    assert!(full.error().contains("TENTER_KEY_ROWS"), "{}", full.error());
    assert_eq!(service.post("/api/batches?KEY=second", &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn items_are_paged_and_filtered_by_status() {
    let service = service(&[]);
    let batch = create(&service, &json!({"design": design(), "rows": rows(5)})).await;
    let page = async |query: &str| service.get(&path(&batch, &format!("/items{query}"))).await;
    let second = page("?page=2&per_page=2&status=scheduled").await.json();
    let rows: Vec<_> = second["items"].as_array().expect("items").iter().map(|it| it["row"].clone()).collect();
    assert_eq!((rows, &second["total"]), (vec![json!(3), json!(4)], &json!(5)));
    assert_eq!(second["items"][0]["name"], "3.png");
    assert_eq!(page("?status=done").await.json()["total"], 0);
    for wrong in ["?status=lost", "?page=0", "?per_page=101"] {
        assert_eq!(page(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
        let deliveries = service.get(&path(&batch, &format!("/deliveries{wrong}"))).await;
        assert_eq!(deliveries.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let nobody = service.get(&path(&batch, "/deliveries?status=failed")).await.json();
    assert_eq!(nobody, json!({"deliveries": [], "total": 0}));
    assert!(manifest(&service, &batch).await.is_empty(), "no row has ended");
    assert_eq!(unzipped(&service.get(&path(&batch, "/archive")).await.body).len(), 1);
    let metrics = service.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("tenter_rows_scheduled 5") && metrics.contains("tenter_jobs_scheduled 0"), "{metrics}");
}

/// The fingerprint of a row equals that of its design rendered alone with the same values and options.
#[tokio::test]
async fn rows_have_fingerprints() {
    let service = service(&[("TENTER_RASTERIZER", "cpu")]);
    let small = json!({"variables": {"name": "Ada"}, "options": {"pixelRatio": 0.5}});
    let rows = json!([{"name": "Ada"}, {"name": "Ada"}, small, {"name": "Bob"}, {"name": ["broken"]}]);
    let batch = create(&service, &json!({"design": design(), "rows": rows, "compression": "small"})).await;
    let fresh = service.get(&path(&batch, "/items")).await.json();
    assert_eq!(fresh["items"][0]["fingerprint"], Value::Null, "nothing is made yet");
    finished(&service, &batch).await;
    let lines = manifest(&service, &batch).await;
    let made = |row: usize| (lines[row - 1]["fingerprint"].clone(), lines[row - 1]["sha256"].clone());
    assert_eq!(made(1), made(2), "the same row");
    assert_ne!(made(1).0, made(3).0, "another option");
    assert_ne!(made(1).0, made(4).0, "another value");
    assert_eq!(made(5).0, Value::Null, "no file");
    let items = service.get(&path(&batch, "/items")).await.json();
    assert_eq!(items["items"][0]["fingerprint"], made(1).0);
    for (row, name, pixel_ratio) in [(1, "Ada", 1.0), (3, "Ada", 0.5), (4, "Bob", 1.0)] {
        let options = json!({"variables": {"name": name}, "compression": "small", "pixelRatio": pixel_ratio});
        let call = json!({"design": design(), "outputFormat": "file", "exportOptions": options});
        let alone = service.render(call).await;
        let found = (json!(alone.header("x-tenter-fingerprint")), json!(hex(&alone.body)));
        assert_eq!(found, made(row), "row {row}");
    }
}

/// The server answers each request with another image.
#[tokio::test]
async fn rows_use_the_same_assets() {
    let service = service(&[LOCAL, ("TENTER_PIN_BYTES", "0")]);
    let pictures = Pictures::start();
    let same: Vec<_> = (0..6).map(|_| json!({"name": "same", "photo": pictures.url("a.png")})).collect();
    let batch = create(&service, &json!({"design": design(), "rows": same})).await;
    finished(&service, &batch).await;
    let lines = manifest(&service, &batch).await;
    assert!(lines.iter().all(|it| it["sha256"].is_string() && it["sha256"] == lines[0]["sha256"]), "{lines:?}");
    assert_eq!(pictures.asked(), 1, "the memory bound is 0, and the image is not requested twice");
}
