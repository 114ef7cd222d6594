//! POST /api/variables: lists the variables of a design, for forms.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::api_error::ApiError;
use super::app::App;
use super::body;
use super::log::RenderNotes;
use super::schemas;
use crate::error::Error;
use crate::json::JsonParser;
use crate::pipeline::{Stage, list_variables};
use crate::report::Problem;

/// Body of the answer.
#[derive(Serialize, ToSchema)]
pub(super) struct DesignVariables {
    /// Variables in the order of their first use.
    variables: Vec<ListedVariable>,
}

/// A variable of a design.
#[derive(Serialize, ToSchema)]
struct ListedVariable {
    /// Name, as in `variables` of a call.
    name: String,
    /// Kind of the value at its first use: `text`, `image`, `color`, `number`, `boolean` or `string`.
    kind: &'static str,
    /// Value that is drawn where a call has none; `null` where the placeholder is drawn as it is.
    #[schema(value_type = Option<schemas::VariableValue>)]
    value: Option<Value>,
    /// Places that use the variable, in paint order, at most 100.
    uses: Vec<ListedUse>,
}

/// A place that uses a variable.
#[derive(Serialize, ToSchema)]
struct ListedUse {
    /// Path in the design of the member that the value goes into.
    path: String,
    /// `placeholder`, `binding`, `custom.variable` or `name`.
    by: &'static str,
    /// Kind of the value at this place.
    kind: &'static str,
}

/// Handler of `POST /api/variables`.
#[utoipa::path(
    post,
    path = "/api/variables",
    operation_id = "listVariables",
    summary = "List the variables of a design",
    description = "Names, kinds and current values, in the order of their first use.",
    request_body = schemas::VariablesCall,
    responses((status = 200, description = "The variables", body = DesignVariables), schemas::RenderErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn list(State(app): State<App>, request: Request) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer(&app, request, &mut notes).await;
    notes.attach_to(answered)
}

async fn answer(app: &App, request: Request, notes: &mut RenderNotes) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = app.keys.check(&head.uri, &head.headers)?;
    notes.caller = caller.map(str::to_owned);
    let _permit = app.limits.enter(caller, &mut notes.quota)?;
    body::check_media_type(&head.headers)?;
    let bytes = body::read(&head.headers, body, &app.settings.server).await?;
    let settings = app.settings.clone();
    let mut session = app.renderers.admit().await?;
    let listed = session
        .work(Stage::Parse, move || {
            let parser = JsonParser::new(settings.design.json_depth);
            let mut value = parser.parse(&bytes).map_err(Error::invalid)?;
            let design = value.get_mut(DESIGN).map(Value::take).unwrap_or_default();
            if !design.is_object() {
                let message = "missing or no object; accepted: the design as exported by the editor".to_owned();
                return Err(Error::invalid(Problem { path: DESIGN.into(), message }));
            }
            list_variables(design, DESIGN.into(), &settings.design)
        })
        .await??;
    let listed = listed.into_iter().map(|it| {
        let uses = it.uses.into_iter().map(|at| ListedUse { path: at.path, by: at.by, kind: at.kind }).collect();
        ListedVariable { name: it.name, kind: it.kind, value: it.value, uses }
    });
    Ok(Json(DesignVariables { variables: listed.collect() }).into_response())
}

/// Member of the body with the design.
const DESIGN: &str = "design";
