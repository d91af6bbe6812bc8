// Who can make images here, what the others lack, and which models end when.

import { call } from "../api.mjs";
import { amount, wholeDay } from "../format.mjs";
import { html } from "../html.mjs";
import { Icon } from "../icons.mjs";
import { Loaded, Title, useLoaded } from "../ui.mjs";

const SOON_MS = 90 * 86_400_000;

export function Providers() {
  const loaded = useLoaded(async (signal) => {
    const [{ providers }, { models }] = await Promise.all([call("providers", { signal }), call("models", { signal })]);
    return { providers: [...providers].sort((one, other) => other.configured - one.configured), models };
  }, []);
  return html`<${Title} lead="Who can make images here, and what each of the others lacks.">Providers<//>
    <${Loaded} of=${loaded} rows="5">${({ providers, models }) => html`<${Ending} models=${models.filter((model) => providers.some((each) => each.configured && each.name === model.provider))} />
      <ul class="providers">${providers.map((provider) => html`<${Provider} key=${provider.name} provider=${provider} models=${models.filter((model) => model.provider === provider.name)} />`)}</ul>`}<//>`;
}

const isEnding = (model) => model.shutdown_on && Date.parse(model.shutdown_on) - Date.now() < SOON_MS;

function Ending({ models }) {
  const ending = models.filter(isEnding);
  if (!ending.length) return null;
  return html`<div class="notice"><${Icon} name="clock" /><div>${ending.map((model) => html`<p key=${model.model}><strong>${model.provider}/${model.model}</strong> ${shutdown(model)}</p>`)}</div></div>`;
}

function shutdown(model) {
  const isPast = Date.parse(model.shutdown_on) <= Date.now();
  const instead = model.successor ? `; use ${model.successor}` : "";
  return `${isPast ? "was shut down on" : "shuts down on"} ${wholeDay(model.shutdown_on)}${instead}`;
}

function Provider({ provider, models }) {
  return html`<li class="card provider ${provider.configured ? "" : "off"}">
    <header><h2>${provider.title}</h2><span class="mono id">${provider.name}</span>
      <span class="status ${provider.configured ? "completed" : "pending"}">${provider.configured ? "Configured" : "Not configured"}</span></header>
    ${provider.about && html`<p>${provider.about}</p>`}
    ${provider.problem && html`<p class="remedy">${provider.problem}</p>`}
    ${provider.default_for.length > 0 && html`<p class="hint">Makes what names no provider: ${provider.default_for.join(", ")}</p>`}
    ${models.length > 0 && html`<details open=${provider.configured}><summary>${models.length === 1 ? "1 model" : `${models.length} models`}</summary>
      <div class="table-wrap" tabindex="0" role="region" aria-label=${`Models of ${provider.title}`}><table><thead><tr><th scope="col">Model</th><th scope="col">Default for</th><th scope="col" class="number">Price</th><th scope="col">Seed</th><th scope="col" class="number">References</th><th scope="col">Life</th></tr></thead>
      <tbody>${models.map((model) => html`<tr key=${model.model}><td class="mono">${model.model}</td><td>${model.default_for.join(", ")}</td><td class="number">${price(model.price)}</td><td>${model.seed ? "yes" : "–"}</td><td class="number">${model.references || "–"}</td>
        <td class=${isEnding(model) ? "warn" : ""}>${model.shutdown_on ? shutdown(model) : model.deprecated_on ? `deprecated since ${wholeDay(model.deprecated_on)}` : "–"}</td></tr>`)}</tbody></table></div></details>`}
  </li>`;
}

function price(told) {
  if (!told) return "unknown";
  const prices = [...new Set(Object.values(told.by_quality_usd).filter((usd) => usd !== null))].sort((one, other) => one - other);
  if (!prices.length) return "unknown";
  if (prices.at(-1) === 0) return "free";
  return prices.length === 1 ? amount(prices[0]) : `${amount(prices[0])} – ${amount(prices.at(-1))}`;
}
