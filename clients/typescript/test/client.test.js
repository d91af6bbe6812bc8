// The client against a server that misbehaves as it is told.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import { createDarkroom, JobFailed, Refused, verifyWebhook, WaitedTooLong, WebhookInvalid } from 'darkroom-client';

const QUICK = { firstPauseMs: 0, longestPauseMs: 1000, attempts: 4 };

/** A client that gets these answers, one after the other, and what it has sent. */
function playing(...answers) {
  const sent = [];
  const darkroom = createDarkroom({
    baseUrl: 'http://darkroom.test',
    apiKey: 'dk_secret',
    retries: QUICK,
    fetch: async (request) => {
      sent.push(request);
      const next = answers.shift();
      if (next instanceof Error) {
        throw next;
      }
      return next;
    },
  });
  return { darkroom, sent };
}

function json(body, status = 200, headers = {}) {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}

function problem(status, code, headers = {}) {
  return json({ detail: 'It does not go.', code, status }, status, headers);
}

function events(...chunks) {
  const body = new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) {
        controller.close();
      } else if (chunk instanceof Error) {
        controller.error(chunk);
      } else {
        controller.enqueue(new TextEncoder().encode(chunk));
      }
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
}

const job = (status, more = {}) => ({ job_id: 'img_1', status, progress_percentage: 1, ...more });

test('every try of a POST has the same key, and each call its own', async () => {
  const { darkroom, sent } = playing(
    new TypeError('fetch failed'), problem(500, 'queue_unavailable', { 'Retry-After': '0' }),
    json({ job_id: 'img_1' }, 202), json({ job_id: 'img_2' }, 202),
  );
  assert.equal((await darkroom.generateAsync({ prompt: 'sea' })).job_id, 'img_1');
  await darkroom.generateAsync({ prompt: 'sea' });
  const keys = sent.map((request) => request.headers.get('Idempotency-Key'));
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.notEqual(keys[3], keys[0]);
  assert.equal(sent[0].headers.get('Authorization'), 'Bearer dk_secret');
  assert.deepEqual(await sent[2].json(), { prompt: 'sea' });
});

test('what is refused is thrown at once, with its code', async () => {
  const { darkroom, sent } = playing(problem(409, 'not_reviewable'));
  const thrown = await darkroom.approve('img_1').catch((error) => error);
  assert.ok(thrown instanceof Refused);
  assert.deepEqual([thrown.status, thrown.code, thrown.message], [409, 'not_reviewable', 'It does not go.']);
  assert.equal(sent.length, 1);
});

test('a budget that is used up until next month is not waited for', async () => {
  const { darkroom, sent } = playing(problem(429, 'budget_exhausted', { 'Retry-After': '900000' }));
  await assert.rejects(darkroom.generateAsync({ prompt: 'sea' }), { code: 'budget_exhausted' });
  assert.equal(sent.length, 1);
});

test('polling ends with the result, and tells each look', async () => {
  const { darkroom } = playing(
    json(job('processing'), 200, { 'Retry-After': '0' }), json(job('completed', { result: { images: [] } })),
  );
  const seen = [];
  const result = await darkroom.pollJobStatus('img_1', { onUpdate: ({ status }) => seen.push(status) });
  assert.deepEqual(result, { images: [] });
  assert.deepEqual(seen, ['processing', 'completed']);
});

test('polling throws what a failed job says', async () => {
  const { darkroom } = playing(json(job('failed', { error_message: 'No.', error: { code: 'cancelled' } })));
  const thrown = await darkroom.pollJobStatus('img_1').catch((error) => error);
  assert.ok(thrown instanceof JobFailed);
  assert.deepEqual([thrown.message, thrown.code], ['No.', 'cancelled']);
});

test('polling ends when its time is up, or is taken back', async () => {
  const late = playing(json(job('queued'), 200, { 'Retry-After': '10' }));
  await assert.rejects(late.darkroom.pollJobStatus('img_1', { maxWait: 100 }), WaitedTooLong);
  const leaving = new AbortController();
  const left = playing(json(job('queued'), 200, { 'Retry-After': '10' }));
  const polled = left.darkroom.pollJobStatus('img_1', { signal: leaving.signal, onUpdate: () => leaving.abort() });
  await assert.rejects(polled, { name: 'AbortError' });
});

test('a stream goes on behind its last event, however it is cut', async () => {
  const { darkroom, sent } = playing(
    events('id: 1-a\nevent: sta', 'tus\ndata: {"n":', '1}\n\n: keep-alive\r', '\n\r\nid: 2-b\r\ndata: {"n"', new Error('cut')),
    new TypeError('fetch failed'),
    events('id: 2-b\rdata: {"n":2}\r\rid: 3-c\nevent: completed\ndata: {"n": "\u2028"}\n\n'),
  );
  const seen = [];
  for await (const { name, data } of darkroom.stream('img_1')) {
    seen.push([name, data.n]);
  }
  assert.deepEqual(seen, [['status', 1], ['message', 2], ['completed', '\u2028']]);
  assert.deepEqual(sent.map((request) => request.headers.get('Last-Event-ID')), [null, '1-a', '1-a']);
  assert.match(sent[0].url, /\/jobs\/img_1\/events\?until=completed$/);
});

test('a stream with nothing to add ends, and one that never starts throws', async () => {
  const over = playing(new Response(null, { status: 204 }));
  for await (const event of over.darkroom.stream('bat_1', { lastEventId: '9-z' })) {
    assert.fail(event.name);
  }
  assert.match(over.sent[0].url, /\/batches\/bat_1\//);
  const never = playing(problem(404, 'job_not_found'));
  await assert.rejects(never.darkroom.stream('img_1').next(), { code: 'job_not_found' });
});

test('without a queue the image is made at once, without a key', async () => {
  const away = Array.from({ length: 4 }, () => problem(500, 'queue_unavailable', { 'Retry-After': '0' }));
  const { darkroom, sent } = playing(...away, json({ success: true, images: [] }));
  assert.equal((await darkroom.generateOrFallBack({ prompt: 'sea' })).success, true);
  assert.match(sent[4].url, /\/generate$/);
  assert.equal(sent[4].headers.get('Idempotency-Key'), null);
});

test('a webhook is believed when its secret and its time are right', async () => {
  const secret = `whsec_${Buffer.from('a secret of the tests').toString('base64')}`;
  const body = '{"type":"job.completed","timestamp":"","data":{"ä":1}}';
  const now = 1_800_000_000_000;
  const at = String(now / 1000);
  const made = createHmac('sha256', 'a secret of the tests').update(`msg_1.${at}.${body}`).digest('base64');
  const headers = { 'Webhook-Id': 'msg_1', 'webhook-timestamp': at, 'webhook-signature': `v1,AAAA v1,${made}` };
  assert.equal((await verifyWebhook(body, headers, secret, now)).type, 'job.completed');
  assert.equal((await verifyWebhook(Buffer.from(body), new Headers(headers), secret, now)).data['ä'], 1);
  const invalid = [
    () => verifyWebhook(`${body} `, headers, secret, now),
    () => verifyWebhook(body, headers, secret, now + 301_000),
    () => verifyWebhook(body, { ...headers, 'webhook-signature': 'v1,?? v2,AAAA' }, secret, now),
    () => verifyWebhook(body, {}, secret, now),
  ];
  for (const refused of invalid) {
    await assert.rejects(refused, WebhookInvalid);
  }
});
