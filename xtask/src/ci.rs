//! `cargo xtask ci`: everything that must hold before a change lands, on a machine that has nothing yet.
//!
//! Clippy comes first because it is a check build; then everything is built once, in one profile.

use anyhow::Result;

use crate::steps::Steps;
use crate::test::Count;
use crate::workspace::Workspace;
use crate::{audit, docs, setup, shell, soak, test, tidy};

pub fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::begin();
    let mut tools = None;
    let mut count = Count::default();
    steps.step("set-up", || {
        tools = Some(setup::for_testing(&workspace)?);
        Ok(())
    });
    steps.step("tidy", || tidy::check(&workspace));
    steps.step("format", || shell::show(&mut workspace.cargo(&["fmt", "--all", "--check"])));
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    steps.step("clippy", || shell::show(&mut workspace.cargo(&clippy)));
    steps.step("audit", || audit::check(&workspace));
    steps.step("build", || test::build(&workspace));
    steps.step("docs", || docs::compare(&workspace));
    if let Some(tools) = &tools {
        steps.step("tests", || test::execute(&workspace, tools, &[], &mut count));
    }
    steps.step("long runs", || soak::report(&workspace));
    let outcome = steps.finish();
    println!("{}", count.line());
    outcome
}
