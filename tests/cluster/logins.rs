//! Servers that want to know who calls, and speak TLS.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{Cluster, Nats, bucket, small, submit};

#[test]
fn servers_that_ask_who_we_are_are_told_and_refusals_name_the_settings() {
    let Some(nats) = Nats::start_with(&["--user", "tenter", "--pass", "hush-hush"].map(String::from)) else { return };
    let Some(bucket) = bucket::bucket() else { return };
    let cluster = Cluster { nats, bucket };
    let refused = cluster.program("serve").refuses();
    assert!(refused.contains("TENTER_NATS_URL") && refused.contains("authorization violation"), "{refused}");
    let named = |password: &str| {
        let program = cluster.program("serve").with("TENTER_NATS_USER", "tenter");
        program.with("TENTER_NATS_PASSWORD", password)
    };
    let refused = named("hush").refuses();
    assert!(refused.contains("authorization violation") && !refused.contains("hush"), "{refused}");
    assert!(refused.contains("TENTER_NATS_CREDS"), "{refused}");
    let half = cluster.program("serve").with("TENTER_NATS_USER", "tenter").refuses();
    assert!(half.contains("TENTER_NATS_PASSWORD"), "{half}");
    let front = named("hush-hush").start();
    assert!(submit(&front, "one", &small(1)).is_some());
}

#[test]
fn servers_are_believed_by_their_certificate_and_believe_ours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let theirs = Signer::new("theirs", folder.path());
    theirs.sign("server");
    theirs.sign("client");
    Signer::new("others", folder.path()).sign("stranger");
    let [ca, certificate, key] = ["theirs.pem", "server.pem", "server.key"].map(path);
    let tls = ["--tlsverify", "--tlscacert", &ca, "--tlscert", &certificate, "--tlskey", &key];
    let Some(nats) = Nats::start_with(&tls.map(String::from)) else { return };
    let Some(bucket) = bucket::bucket() else { return };
    let cluster = Cluster { nats, bucket };
    let told = |settings: &[(&'static str, &str)]| {
        let url = cluster.nats.url().replace("nats://", "tls://");
        let program = cluster.program_through("serve", &url, &cluster.bucket.endpoint());
        settings.iter().fold(program, |program, (setting, file)| program.with(setting, &path(file)))
    };
    let (trust, show, prove) = ("TENTER_NATS_TLS_CA", "TENTER_NATS_TLS_CERT", "TENTER_NATS_TLS_KEY");
    let refusals = [
        (told(&[]), trust),
        (told(&[(trust, "others.pem")]), trust),
        (told(&[(trust, "theirs.pem")]), show),
        (told(&[(trust, "theirs.pem"), (show, "stranger.pem"), (prove, "stranger.key")]), show),
        (told(&[(trust, "theirs.pem"), (show, "client.pem")]), prove),
        (told(&[(trust, "server.key")]), "server.key (TENTER_NATS_TLS_CA): there is not a certificate in it"),
        (told(&[(trust, "nowhere.pem")]), "nowhere.pem (TENTER_NATS_TLS_CA): No such file"),
        (
            told(&[(trust, "theirs.pem"), (show, "client.pem"), (prove, "client.pem")]),
            "(TENTER_NATS_TLS_KEY): there is not a private key",
        ),
    ];
    for (program, expected) in refusals {
        let refused = program.refuses();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    let front = told(&[(trust, "theirs.pem"), (show, "client.pem"), (prove, "client.key")]).start();
    assert!(submit(&front, "one", &small(1)).is_some());
}

/// A certificate authority for 127.0.0.1 that writes `<name>.pem` and `<name>.key` into one folder.
struct Signer<'a> {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: &'a Path,
}

impl<'a> Signer<'a> {
    fn new(name: &str, folder: &'a Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        std::fs::write(folder.join(format!("{name}.pem")), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    fn sign(&self, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(self.folder.join(format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}
