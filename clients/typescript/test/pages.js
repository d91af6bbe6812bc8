// Runs what the page on frontends shows, and prints what came of it as JSON. Copied beside it.

import { createElement } from 'react';
import { act, create } from 'react-test-renderer';

import { heroImage as after } from './after.js';
import { heroImage as before } from './before.js';
import { darkroom } from './darkroom.js';
import { imageComeWhatMay } from './fallback.js';
import { Picture } from './Picture.js';
import { anotherRound, draftOf, finalOf } from './review.js';
import { useJob } from './useJob.js';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
console.error = () => undefined; // the renderer says that it is deprecated

/** Render, and let time pass until something is so; the tree as it is then. */
async function rendered(element, isSo) {
  let tree;
  await act(async () => {
    tree = create(element);
  });
  const seen = [tree.toJSON().type];
  while (!isSo(tree.toJSON())) {
    await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
    if (seen.at(-1) !== tree.toJSON().type) {
      seen.push(tree.toJSON().type);
    }
  }
  const last = tree.toJSON();
  await act(async () => tree.unmount());
  return { seen, last };
}

function Polled({ jobId }) {
  const { job } = useJob(jobId);
  return createElement('a', { href: job?.result?.images[0].url });
}

const draft = await draftOf('A pier');
const final = await finalOf(draft.jobId, 'ann');
const other = await draftOf('A dune');
const fresh = () => darkroom.generateAsync({ prompt: 'A cliff', quality: 'draft' });
const polled = await rendered(
  createElement(Polled, { jobId: (await fresh()).job_id }),
  ({ props }) => props.href !== undefined,
);
const streamed = await rendered(
  createElement(Picture, { jobId: (await fresh()).job_id }),
  ({ type }) => type === 'img',
);

process.stdout.write(
  JSON.stringify({
    before: await before('A bay'),
    after: await after('A bay'),
    fallback: (await imageComeWhatMay('A bay')).images[0].url,
    draft: draft.url,
    final: final.images[0].url,
    revision: await anotherRound(other.jobId, 'A tall dune'),
    polled: polled.last.props.href,
    streamed: streamed.last.props.src,
    markup: streamed.seen,
  }),
);
