// The client against a whole Darkroom at DARKROOM_URL.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createDarkroom, Refused } from 'darkroom-client';

const darkroom = createDarkroom({ baseUrl: process.env['DARKROOM_URL'] });

test('a draft is streamed, approved, and its final polled', async () => {
  const accepted = await darkroom.generateAsync({ prompt: 'A ferry in fog', quality: 'draft', aspect_ratio: '16:9' });
  const names = [];
  let last;
  for await (const event of darkroom.stream(accepted.job_id)) {
    names.push(event.name);
    last = event;
  }
  assert.equal(names.at(-1), 'completed');
  assert.equal(last.data.review.state, 'awaiting');
  const approved = await darkroom.approve(accepted.job_id, { reviewer: 'ann' });
  const final = await darkroom.pollJobStatus(approved.final_job_id);
  const image = await fetch(final.images[0].url);
  assert.equal(image.headers.get('Content-Type'), 'image/png');
  assert.ok(final.images[0].width > last.data.result.images[0].width);
  for await (const event of darkroom.stream(accepted.job_id, { lastEventId: last.id, until: 'decided' })) {
    assert.equal(event.name, 'review');
  }
});

test('a batch is made, and one of it rejected with changes', async () => {
  const batch = await darkroom.batchGenerate({ images: [{ prompt: 'A pier' }, { prompt: 'A dune' }], blog_id: 'ts' });
  const results = await Promise.all(batch.job_ids.map((id) => darkroom.pollJobStatus(id)));
  assert.deepEqual(results.map(({ images }) => images[0].alt_text), ['A pier', 'A dune']);
  const { revision_job_id } = await darkroom.reject(batch.job_ids[0], { revise: { prompt: 'A long pier' } });
  const revised = await darkroom.pollJobStatus(revision_job_id);
  assert.equal(revised.images[0].alt_text, 'A long pier');
  const { data } = await darkroom.http.GET('/api/v1/images/blogs/{blog_id}', { params: { path: { blog_id: 'ts' } } });
  assert.equal(data.images.length, 3);
});

test('the same key starts one job, and what is refused says why', async () => {
  const image = { prompt: 'Once only' };
  const [first, second] = await Promise.all([
    darkroom.generateAsync(image, { idempotencyKey: 'ts-once' }),
    darkroom.generateAsync(image, { idempotencyKey: 'ts-once' }),
  ]);
  assert.equal(first.job_id, second.job_id);
  const refused = await darkroom.generateAsync({ prompt: '', quality: 'draft' }).catch((error) => error);
  assert.ok(refused instanceof Refused);
  assert.equal(refused.errors[0].field, 'prompt');
});
