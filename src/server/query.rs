//! Query strings: one parser, and extractors for the parameters of lists, whose types also describe them in the OpenAPI
//! document.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::api_error::ApiError;
use crate::jobs::Status;
use crate::templates::Filter;

/// Names of the parameter with the API key, the one that counts first.
const KEYS: [&str; 2] = ["KEY", "key"];

/// The parameters of a query string, decoded, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    /// Decodes the query string of `uri`.
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The API key: the value of the first `KEY`, or else `key`.
    pub(super) fn api_key(&self) -> Option<&str> {
        let first = |key| self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        KEYS.into_iter().find_map(first)
    }

    /// All parameters except the API key, as pairs of name and value.
    pub(super) fn without_api_key(self) -> Vec<(String, String)> {
        self.0.into_iter().filter(|(name, _)| !KEYS.contains(&name.as_str())).collect()
    }

    /// The value of the last parameter `name`.
    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Entries of one page of a list: the default, and the most that `per_page` may ask for.
pub(super) const MAX_PER_PAGE: u64 = 100;

/// `page` and `per_page`: which entries of a list the caller asks for.
pub(super) struct Paging {
    /// Number of entries before the page.
    pub(super) offset: u64,
    /// Largest number of entries of the page.
    pub(super) limit: u64,
}

impl Paging {
    fn read(query: &QueryParameters) -> Result<Self, ApiError> {
        const PAGE: ApiError = ApiError::Query("page", "a whole number from 1");
        const PER_PAGE: ApiError = ApiError::Query("per_page", "a whole number from 1 to 100");
        let up_to = |name, most: u64, error: ApiError, default| match query.last(name) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().ok().filter(|it| (1..=most).contains(it)).ok_or(error),
        };
        let page = up_to("page", u64::from(u32::MAX), PAGE, 1)?;
        let limit = up_to("per_page", MAX_PER_PAGE, PER_PAGE, MAX_PER_PAGE)?;
        Ok(Self { offset: (page - 1) * limit, limit })
    }
}

impl<S: Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&QueryParameters::of(&head.uri))
    }
}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        vec![
            parameter("page", "Page of the list, from 1; default 1", number().maximum(Some(u32::MAX))),
            parameter("per_page", "Entries of a page; default 100", number().maximum(Some(MAX_PER_PAGE))),
        ]
    }
}

/// `name` and `tag`: which templates a list has.
pub(super) struct TemplateFilter(pub(super) Filter);

impl<S: Sync> FromRequestParts<S> for TemplateFilter {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = QueryParameters::of(&head.uri);
        let text = |name| query.last(name).filter(|it| !it.is_empty()).map(str::to_owned);
        Ok(Self(Filter { name: text("name"), tag: text("tag") }))
    }
}

impl IntoParams for TemplateFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        vec![
            parameter("name", "Only templates with this in their name or id, in any case", text()),
            parameter("tag", "Only templates with this tag", text()),
        ]
    }
}

/// `status`: only entries in this state. The type says which states there are.
pub(super) struct StatusFilter<T>(pub(super) Option<T>);

/// States that a list can be filtered by.
pub(super) trait ListStatus: Copy + Send + 'static {
    /// Every state with its name in queries.
    const NAMES: &'static [(&'static str, Self)];
    /// The names, as error messages list them.
    const ACCEPTED: &'static str;
}

impl ListStatus for Status {
    const NAMES: &'static [(&'static str, Self)] =
        &[("scheduled", Self::Scheduled), ("progress", Self::Progress), ("done", Self::Done), ("error", Self::Error)];
    const ACCEPTED: &'static str = "scheduled, progress, done, error";
}

/// The state of a delivery, by its name.
impl ListStatus for &'static str {
    const NAMES: &'static [(&'static str, Self)] =
        &[("pending", "pending"), ("delivered", "delivered"), ("failed", "failed"), ("superseded", "superseded")];
    const ACCEPTED: &'static str = "pending, delivered, failed, superseded";
}

impl<S: Sync, T: ListStatus> FromRequestParts<S> for StatusFilter<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = QueryParameters::of(&head.uri);
        let Some(asked) = query.last("status") else { return Ok(Self(None)) };
        let found = T::NAMES.iter().find(|(name, _)| *name == asked).map(|(_, status)| *status);
        found.map(|it| Self(Some(it))).ok_or(ApiError::Query("status", T::ACCEPTED))
    }
}

impl<T: ListStatus> IntoParams for StatusFilter<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let names = T::NAMES.iter().map(|(name, _)| *name);
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        vec![parameter("status", "Only entries in this state", schema)]
    }
}

fn parameter(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> QueryParameters {
        QueryParameters::of(&format!("/list?{query}").parse().expect("a URI"))
    }

    fn paging(query: &str) -> Result<(u64, u64), ApiError> {
        Paging::read(&parameters(query)).map(|it| (it.offset, it.limit))
    }

    #[test]
    fn parameters_are_decoded_and_the_first_key_counts() {
        let query = parameters("KEY=a%2Bb&name=%C3%A9+x&KEY=c&name=y");
        assert_eq!((query.api_key(), query.last("name"), query.last("page")), (Some("a+b"), Some("y"), None));
        assert_eq!(parameters("key=a&KEY=b").api_key(), Some("b"));
        assert_eq!(parameters("key=a&Key=b").api_key(), Some("a"));
        let pairs = query.without_api_key();
        assert_eq!(pairs, [("name".into(), "é x".into()), ("name".into(), "y".into())]);
    }

    #[test]
    fn pages_begin_at_one_and_hold_a_hundred() {
        assert_eq!(paging("").ok(), Some((0, 100)));
        assert_eq!(paging("page=3&per_page=20&KEY=x").ok(), Some((40, 20)));
    }

    #[test]
    fn invalid_paging_is_refused_by_name() {
        for (query, name) in
            [("page=0", "page"), ("page=x", "page"), ("per_page=101", "per_page"), ("page=1e3", "page")]
        {
            assert!(paging(query).is_err_and(|it| matches!(it, ApiError::Query(found, _) if found == name)), "{query}");
        }
    }
}
