// What was told of a job or a batch.

import { call, post } from "./api.mjs";
import { ago, count, exactly } from "./format.mjs";
import { html } from "./html.mjs";
import { may } from "./session.mjs";
import { Loaded, Status, say, useAction, useLoaded } from "./ui.mjs";

export function Deliveries({ path, state }) {
  const loaded = useLoaded((signal) => call(`${path}/webhooks`, { signal }), [path, state]);
  const [isRunning, again] = useAction(async (delivery) => {
    await post(`${path}/webhooks/${encodeURIComponent(delivery.delivery_id)}/redeliver`);
    say("It is being delivered once more.");
    loaded.again();
  });
  return html`<${Loaded} of=${loaded} rows="1">${({ deliveries }) => (deliveries.length ? html`<ul class="deliveries">
    ${deliveries.map((delivery) => html`<li key=${delivery.delivery_id}>
      <div><strong class="mono">${delivery.event}</strong><${Status} state=${delivery.state} />
        ${may("generate") && html`<button class="small" disabled=${isRunning} onClick=${() => again(delivery)}>Deliver again</button>`}</div>
      <p class="mono id">${delivery.url}</p>
      <p class="edge mono"><time datetime=${delivery.happened_at} title=${exactly(delivery.happened_at)}>${ago(delivery.happened_at)}</time><span>${count(delivery.attempts, "attempt")}</span>
        ${delivery.last_status && html`<span>HTTP ${delivery.last_status}</span>`}${delivery.next_attempt_at && html`<span>next ${ago(delivery.next_attempt_at)}</span>`}</p>
      ${delivery.last_error && html`<p class="problem">${delivery.last_error}</p>`}</li>`)}</ul>`
    : html`<p class="hint">Nobody was told: no webhook was asked for.</p>`)}<//>`;
}
