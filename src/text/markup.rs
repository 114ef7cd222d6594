use super::blocks::*;
use super::transform::*;
use std::sync::Arc;
pub fn parse(text: &str, base: &Arc<SpanStyle>, case: Case) -> TextBlocks {
    TextBlocks::plain(apply(case, text), base.clone())
}
