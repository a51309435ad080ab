//! What is set, and where.

use serde::Serialize;

use super::{Item, or_dash};

/// A setting.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingItem {
    /// What it is called.
    pub(crate) setting: &'static str,
    /// Its value; of a secret only that there is one.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    pub(crate) origin: Option<String>,
}

/// A setting of which people see as well where it comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct SettingWithOrigin(pub(crate) SettingItem);

impl Item for SettingItem {
    const KIND: &'static str = "Setting";
    const HEADINGS: &'static [&'static str] = &["SETTING", "VALUE"];

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec![self.setting.to_owned(), or_dash(self.value.as_deref())]]
    }
}

impl Item for SettingWithOrigin {
    const KIND: &'static str = SettingItem::KIND;
    const HEADINGS: &'static [&'static str] = &["SETTING", "VALUE", "ORIGIN"];

    fn rows(&self) -> Vec<Vec<String>> {
        let Self(item) = self;
        let (value, origin) = (or_dash(item.value.as_deref()), or_dash(item.origin.as_deref()));
        vec![vec![item.setting.to_owned(), value, origin]]
    }
}
