//! One request, stage by stage: admission, deadline, cancellation, timings.
//!
//! In: [`Engine`], which holds what requests share; [`Session`], one admitted request; the order of the stages. Not in:
//! HTTP and its words, what any stage does, files.
//! Imports: both wings, `assets`, `text`, `options`, `scene`, `raster`, `pool`, `error`.
//!
//! Waiting happens on tokio and work on the pool. Every wait is a plain `await` inside the caller's future: dropping that
//! future gives the place back, stops fetches and skips pool work that has not begun. Nothing is detached.

mod admission;
mod choice;
mod render;
mod rooms;
mod timings;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::admission::{Admission, Permit};
use self::rooms::Rooms;
use self::timings::Stopwatch;
use crate::config::{RasterizerChoice, Settings};
use crate::error::Error;
use crate::pool::Pool;
use crate::text::FamilySource;

pub use self::choice::{Pages, format_for};
pub use self::render::{RenderRequest, Rendered, RenderedPage};
pub use self::timings::{Stage, Timings};

/// What all requests share: threads, fonts, caches, the painter, and the bounds on how much happens at once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    admission: Admission,
    deadline: Duration,
    rooms: Arc<Rooms>,
}

impl Engine {
    /// Starts threads, reads fonts, opens caches. Blocks while it reads; a second at most.
    ///
    /// # Errors
    /// In words for an operator: a rasterizer that is not built, fonts that cannot be read, a wrong network.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        if settings.render.rasterizer == RasterizerChoice::Gpu {
            return Err(Error::NotBuilt(
                "TENTER_RASTERIZER = gpu: the GPU painter is not built yet; accepted: auto, cpu".into(),
            ));
        }
        let pool = Arc::new(Pool::new(settings.render.threads)?);
        let rooms = Arc::new(Rooms::new(settings, &pool)?);
        let admission = Admission::new(settings.render.workers, settings.render.queue);
        Ok(Self(Arc::new(Inner { pool, admission, deadline: settings.render.deadline, rooms })))
    }

    /// Families that need neither the design nor a font service: bundled, and from the operator's folder.
    pub fn families(&self) -> Vec<(String, FamilySource)> {
        self.0.rooms.library.families()
    }

    /// What paints: `cpu`.
    pub fn rasterizer(&self) -> &'static str {
        self.0.rooms.rasterizer.name()
    }

    /// True when the next request would be refused as `Busy`.
    pub fn is_full(&self) -> bool {
        self.0.admission.is_full()
    }

    /// Waits for a worker. The deadline runs from here on.
    ///
    /// # Errors
    /// `Busy` at once when workers and queue are full; `Timeout` when no worker came free before the deadline.
    pub async fn admit(&self) -> Result<Session, Error> {
        let begun = Instant::now();
        let place = self.0.admission.enter()?;
        let mut stopwatch = Stopwatch::new(begun, self.0.deadline);
        let permit = stopwatch.within(Stage::Queue, self.0.admission.start(place)).await??;
        Ok(Session { engine: self.clone(), permit: Arc::new(permit), stopwatch, at_work: Instant::now() })
    }

    /// [`Self::admit`] and [`Session::render`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub async fn render(&self, request: RenderRequest) -> Result<Rendered, Error> {
        self.admit().await?.render(request).await
    }

    /// Renders a page of one element, so that the first caller does not pay for what starts lazily.
    ///
    /// # Errors
    /// Any: an engine that cannot do this cannot serve.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.render(RenderRequest::warm_up()?).await.map(drop)
    }
}

/// One admitted request. Dropping it gives its place to the next.
pub struct Session {
    engine: Engine,
    permit: Arc<Permit>,
    stopwatch: Stopwatch,
    at_work: Instant,
}

impl Session {
    /// How long each stage took up to now.
    pub fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// Runs `work` on the CPU pool and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline (work that runs is not interrupted, but no longer waited for); `Internal` when it
    /// panicked.
    pub async fn work<T, W>(&mut self, stage: Stage, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let permit = self.permit.clone();
        let running = self.engine.0.pool.run(move || {
            let result = work();
            drop(permit);
            result
        });
        let result = self.stopwatch.within(stage, running).await?;
        Ok(result?)
    }

    /// Awaits `future`, which waits rather than works, and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        self.stopwatch.within(stage, future).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.0.admission.learn(self.at_work.elapsed());
    }
}
