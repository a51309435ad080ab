//! What the stand-in answers.

use std::time::Duration;

use serde_json::{Value, json};

/// An answer, or what comes in its place.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An object.
    Object(Value),
    /// A refusal as the API words it.
    Status(u16),
    /// This text with this status.
    Text(u16, String),
    /// Nothing, for ever.
    Silence,
    /// An object, one byte at a time with this pause.
    Drip(Value, Duration),
    /// The head of an answer, and the end of the connection.
    Cut,
    /// The object, after this long.
    Late(Value, Duration),
}

impl Reply {
    /// Makes a pod with annotations; its uid is `uid-` and its name.
    #[must_use]
    pub fn pod(namespace: &str, name: &str, annotations: &Value) -> Self {
        Self::Object(json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"), "annotations": annotations},
            "spec": {"containers": []},
        }))
    }

    /// Makes a namespace with annotations and labels.
    #[must_use]
    pub fn namespace(name: &str, annotations: &Value, labels: &Value) -> Self {
        Self::Object(json!({
            "kind": "Namespace",
            "apiVersion": "v1",
            "metadata": {"name": name, "uid": format!("uid-{name}"), "annotations": annotations, "labels": labels},
        }))
    }

    /// Answers an object later.
    #[must_use]
    pub fn late(self, pause: Duration) -> Self {
        if let Self::Object(object) = self { Self::Late(object, pause) } else { self }
    }

    /// Returns the status and the body, `None` where there is nothing whole to send.
    pub(super) fn answer(&self) -> Option<(u16, String)> {
        match self {
            Self::Object(object) | Self::Late(object, _) | Self::Drip(object, _) => {
                Some((200, object.to_string()))
            }
            Self::Status(status) => Some((*status, refusal(*status))),
            Self::Text(status, text) => Some((*status, text.clone())),
            Self::Silence | Self::Cut => None,
        }
    }
}

fn refusal(status: u16) -> String {
    let status_object = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("the stand-in answers {status}"),
        "code": status,
    });
    status_object.to_string()
}
