//! One tenant's rows are nothing to another.

use orch_core::ids::TenantNo;
use orch_core::job::JobState;
use orch_core::port::{Append, DeadLetterPageParams, JobPageParams, JobRow, TokenRow};
use orch_core::time::Timestamp;

use super::Backend;
use super::fixture::{
    OTHER, Owner, TENANT, artifact, checkpoint, dead_letter, done, job, key, labelled, log, settlement,
};

/// Every read that names a tenant finds nothing of another's, though it names the very ids.
pub async fn a_foreign_tenant_sees_nothing(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let one = labelled(job(1), &[("k", "v")]);
    let append = Append {
        jobs: vec![one.clone()],
        done: vec![done(&one, JobState::Failed)],
        keys: vec![key(1, one.created_at)],
        dead_letters: vec![dead_letter(&one, one.created_at)],
        checkpoints: vec![checkpoint(&one, 1, "{}")],
        logs: vec![log(&one, 1, 1)],
        artifacts: vec![artifact(&one, 1, 'a')],
        ..owner.with_fact()
    };
    owner.write(&append).await;
    for tenant in [OTHER, TenantNo(0), TenantNo(u32::MAX)] {
        let text = "a foreign tenant is answered";
        assert_eq!(ledger.job_lookup(tenant, &[one.id]).await.expect(text), []);
        assert_eq!(ledger.done_lookup(tenant, &[one.id]).await.expect(text), []);
        assert_eq!(ledger.key_lookup(tenant, &[[1; 16]], Timestamp::ZERO).await.expect(text), []);
        assert_eq!(ledger.checkpoint_lookup(tenant, &[one.id]).await.expect(text), []);
        assert_eq!(ledger.log_page(tenant, one.id, (0, 0), 9).await.expect(text), []);
        assert_eq!(ledger.artifact_get(tenant, &"a".repeat(64)).await.expect(text), None);
        assert_eq!(ledger.dead_letter_get(tenant, one.id).await.expect(text), None);
        assert_eq!(ledger.done_count(tenant).await.expect(text), []);
        assert_eq!(ledger.stream_read(tenant.into(), 0, 9).await.expect(text), []);
        let letters = DeadLetterPageParams { limit: 9, settled: true, ..DeadLetterPageParams::default() };
        assert_eq!(ledger.dead_letter_page(tenant, &letters).await.expect(text), []);
        for params in [
            JobPageParams { limit: 9, ..JobPageParams::default() },
            JobPageParams { limit: 9, labels: one.labels.clone(), ..JobPageParams::default() },
            JobPageParams { limit: 9, states: Some(vec![JobState::Failed]), ..JobPageParams::default() },
            JobPageParams { limit: 9, lanes: Some(vec![one.lane]), ..JobPageParams::default() },
        ] {
            let page = ledger.job_page(tenant, &params).await.expect(text);
            assert_eq!((page.jobs, page.next), (vec![], None));
        }
    }
}

/// Ids, keys and digests that a tenant chose do not meet another tenant's.
pub async fn the_same_ids_live_in_two_tenants(backend: impl Backend) {
    let ledger = backend.open().await;
    let mut owner = Owner::first(&ledger).await;
    let mine = labelled(job(1), &[("k", "v")]);
    let theirs = JobRow { tenant: OTHER, payload: "{\"theirs\":1}".into(), ..mine.clone() };
    for job in [&mine, &theirs] {
        let mut used = key(1, job.created_at);
        used.tenant = job.tenant;
        let append = Append {
            jobs: vec![job.clone()],
            done: vec![done(job, JobState::Failed)],
            keys: vec![used],
            dead_letters: vec![dead_letter(job, job.created_at)],
            checkpoints: vec![checkpoint(job, 1, "{}")],
            logs: vec![log(job, 1, 1)],
            artifacts: vec![artifact(job, 1, 'a')],
            ..owner.with_fact()
        };
        owner.write(&append).await;
    }
    let settled = Append { settlements: vec![settlement(&mine, None)], ..owner.with_fact() };
    owner.write(&settled).await;
    for (tenant, job, is_settled) in [(TENANT, &mine, true), (OTHER, &theirs, false)] {
        let found = ledger.job_lookup(tenant, &[job.id]).await.expect("jobs are looked up");
        assert_eq!((&found[0].job, found[0].settled), (job, is_settled));
        let page = JobPageParams { limit: 9, labels: job.labels.clone(), ..JobPageParams::default() };
        let page = ledger.job_page(tenant, &page).await.expect("pages are read");
        assert_eq!(page.jobs.iter().map(|found| &found.job).collect::<Vec<_>>(), [job]);
        let keys = ledger.key_lookup(tenant, &[[1; 16]], Timestamp::ZERO).await.expect("keys are looked up");
        assert_eq!(keys.iter().map(|row| row.tenant).collect::<Vec<_>>(), [tenant]);
        let found = ledger.artifact_get(tenant, &"a".repeat(64)).await.expect("artifacts are looked up");
        assert_eq!(found.expect("it is there").tenant, tenant);
    }
    let token = |tenant, name: &str, secret| TokenRow {
        id: orch_core::ids::TokenId(uuid::Uuid::from_u128(1)),
        tenant,
        name: name.to_owned(),
        secret_sha256: [secret; 32],
        scopes: Vec::new(),
        created_at: mine.created_at,
        expires_at: None,
        revoked_at: None,
    };
    let tokens = Append { tokens: vec![token(TENANT, "mine", 1)], ..owner.with_fact() };
    owner.write(&tokens).await;
    let foreign = Append { tokens: vec![token(OTHER, "theirs", 2)], ..owner.with_fact() };
    owner.write(&foreign).await;
    let kept = ledger.token_lookup([1; 32]).await.expect("tokens are looked up").expect("it is there");
    assert_eq!((kept.tenant, kept.name.as_str()), (TENANT, "mine"), "a token never moves to another tenant");
}
