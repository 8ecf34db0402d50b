//! The results over HTTP: who may see what, figures once and live, and events that come in.
//!
//! It keeps nothing that it can't make again: limits, answers of the last milliseconds, live views of
//! the last minute, the keys of tokens. Any number of servers may run at once.

mod access;
mod answer;
mod app;
mod boards;
#[doc(hidden)] // for the fuzz targets
pub mod cursor;
mod delta;
mod edits;
mod enter;
#[doc(hidden)] // for the fuzz targets
pub mod events;
mod feed;
mod http;
mod jwks;
mod learners;
mod limit;
mod live;
mod metrics;
mod open;
mod openapi;
mod operate;
mod pages;
#[doc(hidden)] // for the fuzz targets
pub mod params;
#[doc(hidden)] // for the fuzz targets
pub mod problem;
#[doc(hidden)] // for the fuzz targets
pub mod question;
mod server;
mod shapes;
mod socket;
mod stats;
mod stream;
mod token;

pub use open::{OpenError, Opened, open};
pub use server::serve;
pub use tallyd_query::ReadFrom;
pub use token::TokenError;
