//! How far an act has come, in the message on the page after it.

use axum::response::Response;
use portcullis_registry::in_process;

use crate::{flash::Flash, page::Page};

/// `In effect on 3 of 3 nodes.`; empty for acts that no decision depends on.
pub(crate) fn effect_line<T>(answer: &in_process::Answer<T>) -> String {
    let Some(effect) = &answer.effect else {
        return String::new();
    };
    let (confirmed, nodes) = (effect.confirmed, effect.nodes);
    let noun = if nodes == 1 { "node" } else { "nodes" };
    match answer.lagging() {
        [] => format!("In effect on {confirmed} of {nodes} {noun}."),
        lagging => format!(
            "In effect on {confirmed} of {nodes} {noun}; not yet confirmed by {}.",
            lagging.join(", ")
        ),
    }
}

impl Page {
    /// The page at this path, with a message that the act is done and how far it has come.
    pub(crate) fn go_done<T>(
        &self,
        path: &str,
        text: &str,
        answer: &in_process::Answer<T>,
    ) -> Response {
        let line = effect_line(answer);
        let text = format!("{text} {line}");
        let flash = if answer.lagging().is_empty() {
            Flash::success(text.trim_end())
        } else {
            Flash::warning(text.trim_end())
        };
        self.go_saying(path, &flash)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_registry::wire::Effect;

    use super::*;

    fn answer(effect: Option<Effect>) -> in_process::Answer<()> {
        in_process::Answer {
            value: (),
            revision: None,
            effect,
        }
    }

    #[test]
    fn the_line_names_nodes_that_are_behind() {
        let effect = |nodes, confirmed, lagging: &[&str]| {
            answer(Some(Effect {
                seq: 1,
                nodes,
                confirmed,
                lagging: lagging.iter().map(|name| (*name).to_owned()).collect(),
            }))
        };

        assert_eq!(effect_line(&answer(None)), "");
        assert_eq!(effect_line(&effect(1, 1, &[])), "In effect on 1 of 1 node.");
        assert_eq!(
            effect_line(&effect(3, 2, &["node-b"])),
            "In effect on 2 of 3 nodes; not yet confirmed by node-b."
        );
    }
}
