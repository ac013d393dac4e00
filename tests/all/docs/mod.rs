//! README and the book: every link leads somewhere, every page that is made from the code is as
//! the code is, every command that is shown is run, or read by the parser that would read it.

mod commands;
mod links;
mod made;
mod manual;
mod pages;
mod schemas;
mod shell;
mod tables;
mod typed;
