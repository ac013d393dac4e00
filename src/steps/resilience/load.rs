//! Many requests at once, of two users, mixed over the contexts.

use futures::future::join_all;

use crate::steps::{log::pairs::pairs_of_requests, prelude::*};

steps! {
    /// A session of a second user, who need not be an admin, and the contexts that let that user
    /// in: the profile's plain user, or the test user where only that one is allowed.
    Given "^a second user has a session$" => second_user, "crowd.user";
    /// So many requests at once, the session's over all contexts, every second one the second
    /// user's over those that let that user in.
    When "^the two of them make (?P<count>[0-9]+) requests at once, mixed over all contexts$" => at_once, "crowd.sent";
    /// None of them failed, was refused or was sent to the login.
    Then "^every request is served, and none with 5xx$" => none_failed, "crowd.served";
    /// Exactly one pair a request, under its own user and in its own context.
    Then "^each has exactly one tracking pair, of its own user in its own context$" => own_pairs, "crowd.pairs", crate::steps::log::pairs::CODES;
}

/// The second user, and the contexts that let that user in.
struct Second {
    session: Session,
    contexts: Vec<String>,
}

/// Requests that were not served, and why; and their answers.
struct NotServed {
    lines: Vec<String>,
    answers: Vec<Response>,
}

async fn second_user(world: &mut World, run: &Run, _: Args) -> StepResult {
    let users = &run.profile.users;
    let session = match run.stack.may(Act::LogIn(&users.plain)).await {
        Ok(()) => run.need_session(&users.plain).await?,
        Err(_) => run.need_session(&users.test).await?,
    };
    let mut contexts = Vec::new();
    for name in run.profile.contexts.keys() {
        let (_, request) = tracked(run, &session, name)?;
        let answer = run.http.send(&request).await?;
        if run.kept_out(&answer).is_none() {
            contexts.push(name.clone());
        }
    }
    if contexts.is_empty() {
        let email = &session.email;
        return skip(format!(
            "no context lets {email} in: two users cannot be mixed"
        ));
    }
    world.keep(Second { session, contexts });
    Ok(())
}

/// A request of a session for a context.
fn tracked(run: &Run, session: &Session, context: &str) -> StepResult<(Sent, Request)> {
    let (url, nonce) = run.page(&run.context(context)?.path)?;
    let sent = Sent::new(nonce, &session.email, context);
    Ok((sent, run.get_with_cookies(&session.browser, url)))
}

async fn at_once(world: &mut World, run: &Run, args: Args) -> StepResult {
    let count: usize = args.number("count")?;
    run.stack.may(Act::Load).await?;
    let first = world.session()?.copy();
    let all: Vec<String> = run.profile.contexts.keys().cloned().collect();
    let second: &Second = world.kept()?;
    let mut requests = Vec::new();
    for number in 0..count {
        let (session, contexts) = match number % 2 {
            0 => (&first, &all),
            _ => (&second.session, &second.contexts),
        };
        let context = &contexts[number / 2 % contexts.len()];
        requests.push(tracked(run, session, context)?);
    }
    world.window = Some(run.log_from_here().await?);
    let answers = join_all(requests.iter().map(|(_, request)| run.http.send(request))).await;
    let (mut lines_of, mut answered) = (Vec::new(), Vec::new());
    for ((sent, request), answer) in requests.iter().zip(answers) {
        let seen = match answer {
            Ok(answer) if run.kept_out(&answer).is_none() => continue,
            Ok(answer) => {
                let seen = answer.summary();
                answered.push(answer);
                seen
            }
            Err(error) => error.to_string(),
        };
        lines_of.push(format!("{} {}: {seen}", sent.email, request.url));
    }
    let title = format!("{count} requests at once, {} not served", lines_of.len());
    world.saw(EvidenceKind::Exchange, title, lines(&lines_of));
    world.sent = requests.into_iter().map(|(sent, _)| sent).collect();
    world.keep(NotServed {
        lines: lines_of,
        answers: answered,
    });
    Ok(())
}

async fn none_failed(world: &mut World, _: &Run, _: Args) -> StepResult {
    let NotServed {
        lines: wrong,
        answers,
    } = world.kept()?;
    let shown = lines(wrong.iter().take(5));
    let seen = Seen::from(format!("{} are not: {shown}", wrong.len())).worst(answers);
    check(format!("make {} requests at once", world.sent.len()), seen)
        .must("each is served", !world.sent.is_empty() && wrong.is_empty())
}

async fn own_pairs(world: &mut World, run: &Run, _: Args) -> StepResult {
    let did = format!("make {} requests of two users", world.sent.len());
    pairs_of_requests(world, run, world.window()?, &world.sent, &did).await
}
