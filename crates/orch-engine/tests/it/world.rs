//! An engine with one tenant and one worker session, on a ledger of the test's choice.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::{ClaimId, SessionId, TenantNo};
use orch_core::job::{LaneKey, Priority, sha256_hex};
use orch_core::port::{BlobStore, Ledger};
use orch_dispatch::command::{ClaimParams, Completion, Expect, KeyUse, NewJob, Report, SessionParams};
use orch_dispatch::{Answer, Command};
use orch_engine::{Engine, EngineOptions, Error, Lease};
use orch_store::FolderBlobs;
use orch_store::sqlite::SqliteLedger;

pub struct World {
    pub engine: Engine,
    pub tenant: TenantNo,
    session: SessionId,
    claims: u128,
}

impl World {
    /// On the ledger of the options.
    pub async fn start(options: EngineOptions) -> Self {
        let engine = Engine::start(options);
        assert!(engine.serving().await);
        let tenants = engine.ledger().tenant_list().await.unwrap();
        let known = tenants.iter().find(|tenant| tenant.name == "acme").map(|tenant| tenant.no);
        let tenant = match known {
            Some(no) => no,
            None => engine.create_tenant("acme").await.unwrap().no,
        };
        Self::with_session(engine, tenant, tenant).await
    }

    /// With a session for a tenant, or for all of them: `TenantNo::SYSTEM`.
    pub async fn with_session(engine: Engine, tenant: TenantNo, of: TenantNo) -> Self {
        let session = SessionId::of(of, "w", "b");
        let params = SessionParams {
            session,
            tenants: vec![of],
            worker: "w".into(),
            boot: "b".into(),
            job_types: vec!["t".into(), "u".into()],
            capacity: 10,
            sdk: "test".into(),
        };
        engine.command(Command::OpenSession(params)).await.unwrap();
        Self { engine, tenant, session, claims: 0 }
    }

    pub async fn declare(&self, doc: JobType) {
        let command = Command::PutConfig { tenant: self.tenant, doc: ConfigDoc::JobType(doc), expect: Expect::Any };
        self.engine.command(command).await.unwrap();
    }

    pub fn job(&self, n: u32) -> NewJob {
        let payload = Bytes::from(format!("{{\"n\":{n}}}"));
        NewJob {
            id: self.engine.new_job_id(),
            id_given: false,
            key: None,
            lane: LaneKey {
                concurrency_key: None,
                job_type: "t".into(),
                priority: Priority::Normal,
                project: "default".into(),
                source: None,
            },
            payload_sha256: sha256_hex(&payload),
            misfit: None,
            payload,
            labels: [("n".to_owned(), n.to_string())].into(),
            not_before: None,
            deadline: None,
            depends_on: Vec::new(),
            correlation_id: None,
            origin: None,
            firing: None,
            part: None,
            window: None,
        }
    }

    pub async fn enqueue(&self, jobs: Vec<NewJob>, key: Option<KeyUse>) -> Result<Answer, Error> {
        self.engine.command(Command::Enqueue { tenant: self.tenant, jobs, key }).await
    }

    pub async fn claim(&mut self, max: usize, wait_ms: u64) -> Vec<Lease> {
        self.claims += 1;
        let now = self.engine.now();
        let params = ClaimParams {
            session: self.session,
            claim: ClaimId::v7(now, self.claims),
            max,
            job_types: Vec::new(),
            auto_ack: true,
            wait_until: Some(now.plus_ms(wait_ms)),
        };
        self.engine.claim(params).await.unwrap().leases
    }

    pub async fn complete(&self, lease: &Lease, outcome: Report) -> Result<(), orch_core::Refusal> {
        self.complete_as(self.tenant, lease, outcome).await
    }

    pub async fn complete_as(&self, of: TenantNo, lease: &Lease, outcome: Report) -> Result<(), orch_core::Refusal> {
        let completion = Completion {
            token: lease.grant.token,
            fingerprint: [matches!(outcome, Report::Succeeded { .. }).into(); 16],
            outcome,
            artifacts: Vec::new(),
            follow_ups: Vec::new(),
            took: Vec::new(),
            watermark: None,
        };
        let command = Command::Complete { tenants: vec![of], completions: vec![completion] };
        match self.engine.command(command).await.unwrap() {
            Answer::Completed(mut items) => items.remove(0).map(|_| ()),
            answer => panic!("{answer:?}"),
        }
    }
}

/// Done, and nothing to say.
pub const SUCCESS: Report = Report::Succeeded { result: None, result_sha256: None };

/// A SQLite file in the folder.
pub fn options(folder: &Path) -> EngineOptions {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(folder.join("ledger.sqlite")).unwrap());
    let blobs: Arc<dyn BlobStore> = Arc::new(FolderBlobs::open(folder.join("blobs")).unwrap());
    EngineOptions::new(ledger, blobs)
}
