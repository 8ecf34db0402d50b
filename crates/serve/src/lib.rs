//! The results over HTTP: who may see what, figures once and live, and events that come in.
//!
//! Stateless: what it knows of requests is limits, and answers of the last milliseconds. Any
//! number of servers may run beside each other.

pub mod access;
pub mod problem;
pub mod question;

mod answer;
mod app;
mod boards;
mod cursor;
mod delta;
mod events;
mod feed;
mod http;
mod jwks;
mod learners;
mod limit;
mod live;
mod open;
mod openapi;
mod operate;
mod pages;
mod params;
mod server;
mod socket;
mod stats;
mod token;

pub use app::App;
pub use open::{OpenError, Opened, open};
pub use openapi::document;
pub use server::serve;
pub use token::TokenError;
