//! `org.freedesktop.impl.portal.Access`: whether a program may use something.

use zbus::fdo;
use zbus::message::Header;
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use super::desk::{Asked, Waiting};
use super::{Answer, CANCELLED, Desk, OTHER, Question, Results, SUCCESS, options};
use crate::parts::consent;
use crate::tr;

#[derive(Debug)]
pub(super) struct Access(pub(super) Desk);

#[zbus::interface(name = "org.freedesktop.impl.portal.Access")]
impl Access {
    /// Asks the person for a yes.
    #[allow(clippy::too_many_arguments)]
    async fn access_dialog(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        title: String,
        subtitle: String,
        body: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let waiting = Waiting::new(connection, &header, handle).await?;
        self.0.speak();
        let label = |name| options::label(&options, name);
        let asked = Asked {
            title: tr!("access-title"),
            parent: options::parent(&parent_window),
            modal: options::flag(&options, "modal").unwrap_or(true),
            question: Question::Consent(Box::new(consent::Request {
                app: app_id,
                title,
                subtitle,
                body,
                grant: label("grant_label").unwrap_or_else(|| tr!("access-allow")),
                deny: label("deny_label").unwrap_or_else(|| tr!("access-deny")),
                choices: options::choices(&options),
                picture: None,
            })),
        };
        let answer = self.0.ask(self.0.number(), asked, &waiting).await;
        waiting.over().await;
        let mut results = Results::new();
        Ok(match answer {
            Some(Answer::Yes(choices)) => {
                let choices = OwnedVariant::try_from(Variant::from(choices))?;
                results.insert("choices".to_owned(), choices);
                (SUCCESS, results)
            }
            Some(Answer::Cancelled) => (CANCELLED, results),
            _ => (OTHER, results),
        })
    }
}
