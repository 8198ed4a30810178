//! `/admin`: how the installation is, at a glance.

use askama::Template;
use portcullis_registry::wire::{Key, Listed, Overview};

use super::nodes;
use crate::{
    layout::{Section, Shell},
    page::{Answer, Page},
};

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    shell: Shell,
    overview: Overview,
    keys: Vec<Key>,
    nodes: Vec<nodes::Line>,
    /// Whether something waits for an operator.
    needs_attention: bool,
    lagging: usize,
}

/// `GET /admin`.
pub(crate) async fn show(page: Page) -> Answer {
    let api = page.api()?;
    let overview = api.get::<Overview>("/v1/overview", &[]).await?.value;
    let mut keys = api.get::<Listed<Key>>("/v1/keys", &[]).await?.value.items;
    keys.retain(|key| key.state == "current");
    let nodes = nodes::lines(&page).await?;
    let lagging = nodes.iter().filter(|line| !line.is_current()).count();
    page.show(&OverviewPage {
        shell: page.shell(Section::Overview, "Overview"),
        needs_attention: overview.given_up_jobs > 0
            || overview.suspended_organizations > 0
            || lagging > 0,
        overview,
        keys,
        nodes,
        lagging,
    })
}
