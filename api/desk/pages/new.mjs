// Asking for images: one or many, with the price before anything is sent.

import { Problem, call, described, post } from "../api.mjs";
import { RATIOS, newSeed } from "../dialogs.mjs";
import { count, money, seconds } from "../format.mjs";
import { html, useEffect, useMemo, useRef, useState } from "../html.mjs";
import { Icon } from "../icons.mjs";
import { nudge } from "../live.mjs";
import { go } from "../router.mjs";
import { may } from "../session.mjs";
import { kept } from "../store.mjs";
import { Field, Title, say, sentence, useAction, useLoaded } from "../ui.mjs";

const FINALS = ["standard", "high", "ultra"];
const QUOTE_PAUSE_MS = 450;
const SHORTEST = 3;
const MOST = 100;
const SHAPES = {
  hero: "16:9", featured: "3:2", inline: "4:3", square: "1:1", portrait: "4:5", story: "9:16",
};

const PLAIN = Object.entries(SHAPES).map(([name, aspect_ratio]) => ({ name, about: "", aspect_ratio }));
const UNKNOWN_HOUSE = { placements: PLAIN, styles: [], providers: [], models: [] };

/** Placements and styles of the house, where the server has such; shapes under plain names else. */
async function house(signal) {
  const listed = async (name) => {
    if (!(await described.path(`/${name}`))) return [];
    return (await call(name, { signal }).catch(() => ({})))[name] ?? [];
  };
  const [placements, styles, models, providers] = await Promise.all([
    listed("placements"), listed("styles"),
    call("models", { signal }).then((told) => told.models).catch(() => []),
    call("providers", { signal }).then((told) => told.providers).catch(() => []),
  ]);
  const known = new Set(models.filter((model) => model.available).flatMap((model) => model.styles ?? []));
  return {
    hasPlacements: placements.length > 0,
    placements: placements.length ? placements : PLAIN,
    styles: [...styles, ...[...known].sort().filter((name) => !styles.some((style) => style.name === name)).map((name) => ({ name, about: "" }))],
    providers: providers.filter((provider) => provider.configured),
    models: models.filter((model) => model.available),
  };
}

const blank = () => ({ key: newSeed(), prompt: "", placement: "" });

export function New() {
  const offered = useLoaded(house, []).value ?? UNKNOWN_HOUSE;
  const [images, setImages] = useState([blank()]);
  const [common, setCommon] = useState({
    blog_id: kept.get("blog") ?? "", placement: "hero", ratio: "", style: "", flow: "draft", quality: "high",
    provider: "", model: "", num_images: 1, seed: "", negative_prompt: "", webhook_url: "",
  });
  const [isTried, setTried] = useState(false);
  const list = useRef();
  const set = (name) => (event) => setCommon((last) => ({ ...last, [name]: event.target.value }));
  const change = (key, name, value) => setImages((last) => last.map((image) => (image.key === key ? { ...image, [name]: value } : image)));

  const written = images.filter((image) => image.prompt.trim().length >= SHORTEST);
  const body = useMemo(() => bodyOf(written, common, offered), [images, common, offered]);
  const quote = useQuote(body);
  const problems = Object.fromEntries((quote.error?.errors ?? []).map(({ field, message }) => [field.split(".").at(-1), message]));

  const add = (prompts = [""]) => {
    setImages((last) => [...last, ...prompts.map((prompt) => ({ ...blank(), prompt }))].slice(0, MOST));
    requestAnimationFrame(() => [...list.current.querySelectorAll("textarea")].at(-1)?.focus());
  };
  const remove = (key) => setImages((last) => (last.length > 1 ? last.filter((image) => image.key !== key) : [blank()]));
  /** Several lines that are pasted into an empty prompt are a prompt each. */
  const onPaste = (image) => (event) => {
    const lines = event.clipboardData.getData("text").split("\n").map((line) => line.trim()).filter(Boolean);
    if (lines.length < 2 || image.prompt.trim()) return;
    event.preventDefault();
    change(image.key, "prompt", lines[0]);
    add(lines.slice(1));
  };
  const [isSending, send] = useAction(async () => {
    setTried(true);
    if (!body) return;
    kept.set("blog", common.blog_id.trim());
    const isBatch = Boolean(body.images);
    const answer = await post(isBatch ? "batch-generate" : "generate-async", body);
    say(isBatch ? `${count(answer.total_images, "image")} asked for.` : answer.message);
    nudge();
    if (common.flow === "draft" && may("read")) go("review");
    else if (may("read")) go(isBatch ? "batches" : "jobs", answer.batch_id ?? answer.job_id);
    else setImages([blank()]);
  });
  const submit = (event) => { event.preventDefault(); send(); };
  const models = offered.models.filter((model) => model.provider === common.provider);

  return html`<${Title} lead="One prompt is a job, several are a batch.">New images<//>
    <form class="new" onSubmit=${submit}>
      <div class="stack">
        <ol class="prompts" ref=${list}>${images.map((image, index) => html`<li key=${image.key} class="card">
          <span class="number mono" aria-hidden="true">${String(index + 1).padStart(2, "0")}</span>
          <div class="grow">
            <label class="visually-hidden" for=${`prompt-${image.key}`}>Prompt ${index + 1}</label>
            <textarea id=${`prompt-${image.key}`} rows="3" maxlength="4000" placeholder=${index ? "Another image" : "What should be seen? Paste several lines for several images."}
              aria-invalid=${isTried && image.prompt.trim().length < SHORTEST ? "true" : undefined} value=${image.prompt} onPaste=${onPaste(image)} onInput=${(event) => change(image.key, "prompt", event.target.value)} />
            ${images.length > 1 && html`<div class="row"><label class="inline">Placement <select value=${image.placement} onChange=${(event) => change(image.key, "placement", event.target.value)}>
              <option value="">as below</option>${offered.placements.map((each) => html`<option key=${each.name} value=${each.name}>${placementName(each)}</option>`)}</select></label>
              <button type="button" class="quiet small" aria-label=${`Remove prompt ${index + 1}`} onClick=${() => remove(image.key)}><${Icon} name="trash" />Remove</button></div>`}
          </div></li>`)}</ol>
        ${isTried && !written.length && html`<p class="problem" role="alert">Write a prompt of three letters or more.</p>`}
        <button type="button" class="add" disabled=${images.length >= MOST} onClick=${() => add()}><${Icon} name="new" />Another image</button>
        <fieldset class="card"><legend>Where it goes</legend>
          <div class="choices-row" role="radiogroup" aria-label="Placement">${offered.placements.map((each) => html`<label key=${each.name} class="shape" title=${each.about}>
            <input type="radio" name="placement" value=${each.name} checked=${common.placement === each.name} onChange=${set("placement")} />
            <span class="shape-box" style=${{ "--ratio": (each.aspect_ratio ?? "1:1").replace(":", " / "), "--tall": tall(each.aspect_ratio) }} /><span>${each.name}</span><small class="mono">${each.aspect_ratio ?? sizeOf(each)}</small></label>`)}</div>
          <div class="columns">
            <${Field} label="Blog" hint="Gathers everything made for it" error=${problems.blog_id}>${(field) => html`<input ...${field} value=${common.blog_id} maxlength="200" placeholder="post-42" onInput=${set("blog_id")} />`}<//>
            <${Field} label="Other shape" error=${problems.aspect_ratio}>${(field) => html`<select ...${field} value=${common.ratio} onChange=${set("ratio")}><option value="">as the placement</option>${RATIOS.map((each) => html`<option key=${each}>${each}</option>`)}</select>`}<//>
          </div>
        </fieldset>
        <fieldset class="card"><legend>How it looks</legend>
          <div class="columns">
            <${Field} label="Style" error=${problems.style} hint=${offered.styles.find((style) => style.name === common.style)?.about}>${(field) => html`<input ...${field} list="styles" value=${common.style} maxlength="100" placeholder="none" onInput=${set("style")} />
              <datalist id="styles">${offered.styles.map((style) => html`<option key=${style.name} value=${style.name}>${style.about}</option>`)}</datalist>`}<//>
            <${Field} label="Images to choose from" hint="Of each prompt" error=${problems.num_images}>${(field) => html`<select ...${field} value=${common.num_images} onChange=${(event) => setCommon({ ...common, num_images: Number(event.target.value) })}>${[1, 2, 3, 4].map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select>`}<//>
          </div>
          <details><summary>More</summary><div class="columns">
            <${Field} label="Not in the picture" error=${problems.negative_prompt}>${(field) => html`<input ...${field} value=${common.negative_prompt} maxlength="4000" onInput=${set("negative_prompt")} />`}<//>
            <${Field} label="Seed" error=${problems.seed} hint="Any, where none is given">${(field) => html`<input ...${field} type="number" min="0" max="4294967295" value=${common.seed} onInput=${set("seed")} />`}<//>
            <${Field} label="Provider" error=${problems.provider}>${(field) => html`<select ...${field} value=${common.provider} onChange=${(event) => setCommon({ ...common, provider: event.target.value, model: "" })}><option value="">default</option>${offered.providers.map((each) => html`<option key=${each.name} value=${each.name}>${each.title}</option>`)}</select>`}<//>
            <${Field} label="Model" error=${problems.model}>${(field) => html`<select ...${field} value=${common.model} disabled=${!common.provider} onChange=${set("model")}><option value="">its default</option>${models.map((each) => html`<option key=${each.model}>${each.model}</option>`)}</select>`}<//>
            <${Field} label="Webhook" error=${problems.webhook_url}>${(field) => html`<input ...${field} type="url" value=${common.webhook_url} placeholder="https://…" onInput=${set("webhook_url")} />`}<//>
          </div></details>
        </fieldset>
      </div>
      <aside class="quote card" aria-label="What it costs">
        <fieldset class="plain"><legend>What is made first</legend>
          <label class="check"><input type="radio" name="flow" value="draft" checked=${common.flow === "draft"} onChange=${set("flow")} /><span>Drafts, for review<small>Cheap and quick; finals of those you approve.</small></span></label>
          <label class="check"><input type="radio" name="flow" value="final" checked=${common.flow === "final"} onChange=${set("flow")} /><span>Finals at once<small>Nobody is asked.</small></span></label></fieldset>
        <${Field} label="Quality of the finals" hint=${common.flow === "draft" && images.length < 2 ? "Of a single draft it is chosen at approval" : undefined}>${(field) => html`<select ...${field} value=${common.quality} disabled=${common.flow === "draft" && images.length < 2} onChange=${set("quality")}>${FINALS.map((each) => html`<option key=${each}>${each}</option>`)}</select>`}<//>
        <div class="quote-told" aria-live="polite"><${Quote} quote=${quote} flow=${common.flow} /></div>
        <button class="primary wide" disabled=${isSending}>${isSending ? "Sending…" : written.length > 1 ? `Make ${written.length} ${common.flow === "draft" ? "drafts" : "finals"}` : `Make the ${common.flow === "draft" ? "draft" : "final"}`}</button>
      </aside>
    </form>`;
}

const sizeOf = (placement) => {
  const size = Object.values(placement.sizes ?? {})[0];
  return size ? `${size.width}×${size.height}` : "";
};
const placementName = (placement) => (placement.aspect_ratio ? `${placement.name}, ${placement.aspect_ratio}` : placement.name);
const tall = (ratio) => {
  const [across, down] = (ratio ?? "1:1").split(":").map(Number);
  return Math.min(1, down / across);
};

/** What is sent; null while there is no prompt. */
function bodyOf(written, common, offered) {
  if (!written.length) return null;
  const image = ({ prompt, placement }) => {
    const place = placement || common.placement;
    const shape = offered.placements.find((each) => each.name === place)?.aspect_ratio;
    const told = { prompt: prompt.trim(), num_images: common.num_images };
    if (offered.hasPlacements && place) told.placement = place;
    else if (shape) told.aspect_ratio = shape;
    if (common.ratio && !placement) told.aspect_ratio = common.ratio;
    for (const name of ["style", "negative_prompt", "provider", "model"]) {
      if (common[name].trim()) told[name] = common[name].trim();
    }
    if (common.seed !== "") told.seed = Number(common.seed);
    return told;
  };
  const around = {};
  for (const name of ["blog_id", "webhook_url"]) if (common[name].trim()) around[name] = common[name].trim();
  if (written.length > 1) {
    return {
      ...around,
      images: written.map((each) => ({ ...image(each), quality: common.quality })),
      workflow: common.flow === "draft" ? "draft_then_final" : "final_only",
    };
  }
  return { ...around, ...image(written[0]), quality: common.flow === "draft" ? "draft" : common.quality };
}

/** The price of a body, asked for once it has stood still for a moment. */
function useQuote(body) {
  const [quote, setQuote] = useState({});
  const text = JSON.stringify(body);
  useEffect(() => {
    if (!body) { setQuote({}); return undefined; }
    const controller = new AbortController();
    const timer = setTimeout(async () => {
      try {
        setQuote({ value: await post("quote", body, { signal: controller.signal }) });
      } catch (error) {
        if (!controller.signal.aborted) setQuote({ error });
      }
    }, QUOTE_PAUSE_MS);
    return () => { clearTimeout(timer); controller.abort(); };
  }, [text]);
  return quote;
}

function Quote({ quote, flow }) {
  if (quote.error) return html`<p class="problem">${quote.error instanceof Problem ? sentence(quote.error) : quote.error.message}</p>`;
  if (!quote.value) return html`<p class="hint">The price shows here before anything is sent.</p>`;
  const { total, images } = quote.value;
  const makers = [...new Set(images.map((image) => `${image.provider}/${image.model}`))];
  const told = [...new Set(images.flatMap((image) => [image.message, ...(image.warnings ?? [])]).filter(Boolean))];
  return html`<p class="total"><strong>${money(total.price_usd)}</strong><span>${flow === "draft" ? count(total.images, "draft") : count(total.images, "final")}, about ${seconds(total.expected_seconds)}</span></p>
    ${flow === "draft" && html`<p class="hint">${total.finals_price_usd === null ? "The price of the finals is not known." : `Finals, where all are approved: ${money(total.finals_price_usd)}.`}</p>`}
    <p class="edge mono">${makers.join(", ")} · ${images[0].width} × ${images[0].height}</p>
    ${told.map((each) => html`<p key=${each} class="hint">${each}</p>`)}`;
}
