//! `/account/appearance`: light, dark, or as the device.

use askama::Template;

use crate::{
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::tabs::{self, Tab},
};

#[derive(Template)]
#[template(path = "account/appearance.html")]
struct Appearance {
    shell: Shell,
    tabs: Vec<Tab>,
}

/// `GET /account/appearance`.
pub(crate) async fn show(page: Page) -> Answer {
    page.show(&Appearance {
        shell: page.shell(Section::Account, "Appearance"),
        tabs: tabs::account("/account/appearance"),
    })
}
