//! Keys that nobody who knows Calico would write.

use std::error::Error as _;
use std::time::Duration;

use ipam_core::kv::{Range, Read, Txn};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{Store as _, StoreError};
use ipam_tests::etcd::{Shared, Version};

use super::*;

#[test]
fn a_key_that_is_no_text_is_named() {
    let server = Shared::take(Version::System);
    let endpoints = vec![Endpoint { url: server.endpoint() }];
    let store = EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None);
    let range = Txn::read([Read::values(Range::prefix("/calico/"))]);
    let error = block_on(async {
        let mut client = etcd_client::Client::connect([server.endpoint()], None).await.unwrap();
        client.put(*b"/calico/ipam/v2/handle/\xff\xfe", "x", None).await.unwrap();
        store.txn(&range, Duration::from_secs(5)).await.unwrap_err()
    });
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    let cause = error.source().unwrap().to_string();
    let expected = r#"E holds a key that is no text: "/calico/ipam/v2/handle/\xff\xfe"; nobody who knows Calico's keys writes such, so delete it"#;
    assert_eq!(cause.replace(&server.endpoint(), "E"), expected);
}
