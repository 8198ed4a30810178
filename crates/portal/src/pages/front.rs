//! `/`: what this is and where everything stands, for visitors; [`home`] for people who are signed in.

use askama::Template;

use super::home;
use crate::{
    Address,
    layout::{Section, Shell},
    page::{Answer, Page},
};

#[derive(Template)]
#[template(path = "front.html")]
struct Front<'a> {
    shell: Shell,
    addresses: &'a [Address],
}

/// `GET /`.
pub(crate) async fn show(page: Page) -> Answer {
    let addresses = page.portal().site().addresses.as_slice();
    if page.session().is_none() {
        let shell = page.shell(Section::None, "Two papers for every call");
        return page.show(&Front { shell, addresses });
    }
    home::show(&page).await
}

/// Whether an address can be followed: a port alone is shown and not linked.
pub(crate) fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
