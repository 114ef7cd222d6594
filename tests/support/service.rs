//! The service's router with a temporary data folder, called without sockets.

#![allow(dead_code, reason = "not every test program uses all of it")]

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tenter::config::{Given, Settings};
use tenter::jobs::{Clock, DataFolder, Jobs, Results, system_clock};
use tenter::pipeline::Engine;
use tenter::renderers::Renderers;
use tenter::server::{App, Files, Health, router};
use tenter::templates::Templates;
use tower::ServiceExt;

/// A service with its parts and its temporary data folder.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) engine: Engine,
    pub(crate) files: Files,
    pub(crate) jobs: Jobs,
    pub(crate) templates: Templates,
    pub(crate) health: Health,
    pub(crate) settings: Settings,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn service(environment: &[(&str, &str)]) -> Service {
    service_at(environment, system_clock())
}

pub(crate) fn service_at(environment: &[(&str, &str)], clock: Clock) -> Service {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let given = Given { environment, ..Given::default() };
    let mut settings = Settings::load(&given).expect("settings").settings;
    settings.files.data_dir = folder.path().to_owned();
    let engine = Engine::new(&settings).expect("an engine");
    let data = DataFolder::open(folder.path()).expect("a folder");
    let results = Results::open(&settings.files, &data).expect("folders in it");
    let renderers = Renderers::in_process(engine.clone(), &settings);
    let jobs = Jobs::open(&settings, &data, renderers.clone(), results.clone(), clock.clone()).expect("a store");
    let files = Files::new(results, &settings.files, clock);
    let health = Health::default();
    let templates = Templates::open(&settings, &jobs, &renderers).expect("templates");
    let app = App::new(renderers, settings.clone(), files.clone(), jobs.clone(), templates.clone(), health.clone());
    Service { router: router(app), engine, files, jobs, templates, health, settings, folder }
}

/// An HTTP response with its whole body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().expect("text"))
    }
}

impl Service {
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn render(&self, body: Value) -> Answer {
        self.post("/api/render", &body.to_string()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call(post(path, body)).await
    }
}

pub(crate) fn post(path: &str, body: &str) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json").header("host", "render.test:8080");
    request.body(Body::from(body.to_owned())).expect("a request")
}

pub(crate) fn png_size(bytes: &[u8]) -> (u32, u32) {
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG");
    (reader.info().width, reader.info().height)
}
