//! The values that several layers share: services, inputs, events, reports. They know the plan's
//! items and what evidence is, and nothing of what makes or reads them.

pub mod event;
pub mod input;
pub mod lint;
pub mod outcome;
pub mod report;
pub mod run;
pub mod service;
