//! Bodies of calls: what clients send, read to render requests.
//!
//! In: the body of a render call, the body of a job, the template of a batch with the values of one row. Not in: HTTP,
//! rendering, storage. Imports: `rows`, `options`, `output`, `error`, `pipeline` (the render request).

mod classic;
mod job;
mod template;

pub use classic::{AnswerForm, ClassicCall};
pub use job::{DESIGN, JobRequest, WEBHOOK, with_flat_paths};
pub use template::{FILE_NAME, RowTemplate};
