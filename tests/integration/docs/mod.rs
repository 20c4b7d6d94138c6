//! What the documents tell people to type is typed, in their order.

mod blocks;
mod links;
mod tour;

use karin_tests::clients::Packages;

pub(crate) use tour::Tour;

/// Documents whose commands a test of this folder or of `examples` tries.
const DOCUMENTS: [&str; 13] = [
    "README.md",
    "docs/access.md",
    "docs/admin.md",
    "docs/getting-started.md",
    "docs/migrating.md",
    "docs/troubleshooting.md",
    "examples/celery/README.md",
    "examples/fifo-orders/README.md",
    "examples/hello/README.md",
    "examples/node/README.md",
    "examples/python/README.md",
    "examples/rust/README.md",
    "examples/serverless/README.md",
];

#[test]
fn every_command_people_are_told_is_tried_or_says_why_not() {
    for document in DOCUMENTS {
        let tried = blocks::tried(document);
        assert!(tried.iter().all(|block| !block.text.trim().is_empty()), "{document}");
    }
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    Tour::of("README.md", &[Packages::Lambda, Packages::Cli]).run();
}

#[test]
fn the_commands_of_getting_started_do_what_it_says() {
    Tour::of("docs/getting-started.md", &[Packages::Lambda, Packages::Cli]).run();
}

#[test]
fn the_commands_about_keys_and_tokens_do_what_they_say() {
    Tour::of("docs/access.md", &[Packages::Lambda, Packages::Cli]).run();
}

#[test]
fn the_commands_about_the_admin_page_do_what_they_say() {
    Tour::of("docs/admin.md", &[Packages::Cli]).run();
}

#[test]
fn the_commands_of_migrating_do_what_it_says() {
    Tour::of("docs/migrating.md", &[Packages::Cli]).run();
}

#[test]
fn the_commands_of_troubleshooting_do_what_it_says() {
    Tour::of("docs/troubleshooting.md", &[Packages::Cli]).run();
}
