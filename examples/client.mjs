// An existing client of the cloud render API, pointed at another host: both calls, polling, Prefer: wait, a webhook.
//
//     node examples/client.mjs http://127.0.0.1:8080 [KEY]
//
// Needs Node 18 or newer and no packages. Its webhook receiver listens on this machine: the service must be allowed to
// reach it (TENTER_ALLOW_ADDRESSES=127.0.0.1). With WEBHOOK_SECRET set, signatures are verified too. Exits with 1 at the
// first answer that a client would stumble over.

import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';

const [host = 'http://127.0.0.1:8080', key = ''] = process.argv.slice(2);
const secret = process.env.WEBHOOK_SECRET;
const url = (path, query = '') => `${host}${path}?KEY=${encodeURIComponent(key)}${query}`;

const design = {
  width: 120, height: 80, unit: 'px', dpi: 72, schemaVersion: 4, fonts: [], audios: [],
  pages: [
    { id: 'front', background: 'tomato', children: [
      { id: 'title', type: 'text', text: 'Hello', x: 10, y: 10, width: 100, height: 30, fontSize: 20, fill: 'white' },
      { id: 'star', type: 'figure', subType: 'star', x: 40, y: 40, width: 30, height: 30, fill: 'gold' },
    ] },
    { id: 'back', background: 'teal', children: [] },
  ],
};

async function post(path, body, headers = {}) {
  const response = await fetch(url(path), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return response;
}

async function json(response, status = 200) {
  const text = await response.text();
  assert.equal(response.status, status, `${response.url}: ${text}`);
  return JSON.parse(text);
}

const sizeOfPng = (bytes) => {
  assert.equal(bytes.subarray(1, 4).toString('latin1'), 'PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
};
const download = async (link) => {
  const response = await fetch(link);
  assert.equal(response.status, 200, link);
  return { bytes: Buffer.from(await response.arrayBuffer()), type: response.headers.get('content-type') };
};

// Polls as the vendor's demos do: once a second, a hundred times.
async function finished(id) {
  for (let turn = 0; turn < 100; turn += 1) {
    const job = await json(await fetch(url(`/api/renders/${id}`)));
    assert.ok(['scheduled', 'progress', 'done', 'error'].includes(job.status), job.status);
    if (job.status === 'done' || job.status === 'error') return job;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`job ${id} did not end`);
}

const FIELDS = ['id', 'status', 'output', 'error', 'created_at', 'started_at', 'completed_at', 'updated_at', 'progress', 'logs'];
// A client does not mind what a service adds to them.
const vendorFields = (job) => Object.keys(job).filter((field) => FIELDS.includes(field));
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;

const steps = {
  async 'classic call: data URL, link, file'() {
    const inline = await json(await post('/api/render', { design }));
    assert.match(inline.url, /^data:image\/png;base64,/);
    assert.deepEqual(sizeOfPng(Buffer.from(inline.url.split(',')[1], 'base64')), [120, 80]);

    const linked = await json(await post('/api/render', { design, outputFormat: 'url', exportOptions: { pixelRatio: 0.5 } }));
    assert.deepEqual(sizeOfPng((await download(linked.url)).bytes), [60, 40]);

    const file = await post('/api/render', { design, outputFormat: 'file', format: 'jpeg' });
    assert.equal(file.headers.get('content-type'), 'image/jpeg');
    assert.equal(Buffer.from(await file.arrayBuffer()).readUInt16BE(0), 0xffd8);
  },

  async 'job: created, polled, downloaded'() {
    // Vendor clients send pixelRatio as a string and outputFormat to this call too.
    const created = await json(await post('/api/renders', { design, pixelRatio: '2', format: 'png', outputFormat: 'url' }));
    assert.deepEqual(vendorFields(created), FIELDS);
    assert.match(created.created_at, TIME);
    assert.deepEqual([created.status, created.output, created.error, created.progress], ['scheduled', null, '', 0]);
    const job = await finished(created.id);
    assert.deepEqual([job.status, job.error, job.progress], ['done', '', 100]);
    for (const time of ['started_at', 'completed_at', 'updated_at']) assert.match(job[time], TIME);
    const { bytes, type } = await download(job.output);
    assert.equal(type, 'image/png');
    assert.deepEqual(sizeOfPng(bytes), [240, 160]);
  },

  async 'job: Prefer: wait answers when it is done'() {
    const response = await post('/api/renders', { design, pageId: 'back' }, { Prefer: 'wait' });
    assert.equal(response.headers.get('preference-applied'), 'wait');
    const job = await json(response);
    assert.equal(job.status, 'done');
    assert.ok(job.output);
  },

  async 'job: a design that cannot be drawn ends in error'() {
    const broken = { ...design, pages: [{ id: 'p', children: [{ id: 'x', type: 'hologram' }] }] };
    const job = await json(await post('/api/renders', { design: broken }, { Prefer: 'wait' }));
    assert.deepEqual([job.status, job.output], ['error', null]);
    assert.match(job.error, /Unknown element type: "hologram"/);
  },

  async 'jobs: listed, newest first'() {
    const { renders, total } = await json(await fetch(url('/api/renders/list', '&page=1&per_page=2')));
    assert.equal(renders.length, 2);
    assert.ok(total >= 3);
    assert.ok(renders[0].created_at >= renders[1].created_at);
  },

  async 'job: an idempotency key gives the same job'() {
    const again = { 'Idempotency-Key': `client-${Date.now()}` };
    const first = await json(await post('/api/renders', { design }, again));
    assert.equal((await json(await post('/api/renders', { design }, again))).id, first.id);
    await json(await post('/api/renders', { design, pixelRatio: 3 }, again), 409);
  },

  async 'job: told by webhook'() {
    const seen = [];
    const receiver = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      seen.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(204).end();
      receiver.emit('told');
    });
    await once(receiver.listen(0, '127.0.0.1'), 'listening');
    const webhook = `http://127.0.0.1:${receiver.address().port}/hook`;
    const created = await json(await post('/api/renders', { design, webhook }));
    const end = () => seen.find(({ body }) => ['done', 'error'].includes(JSON.parse(body).status));
    while (!end()) await once(receiver, 'told', { signal: AbortSignal.timeout(60_000) });
    receiver.close();
    const { headers, body } = end();
    const job = JSON.parse(body);
    assert.deepEqual(vendorFields(job), FIELDS);
    assert.deepEqual([job.id, job.status], [created.id, 'done']);
    await download(job.output);
    if (secret) {
      const parts = Object.fromEntries(headers['x-tenter-signature'].split(',').map((part) => part.split('=')));
      const expected = createHmac('sha256', secret).update(`${parts.t}.${body}`).digest();
      assert.ok(timingSafeEqual(expected, Buffer.from(parts.v1, 'hex')), 'the signature is not ours');
      assert.ok(Math.abs(Date.now() / 1000 - Number(parts.t)) < 300, 'an old signature');
    }
    let deliveries;
    do {
      ({ deliveries } = await json(await fetch(url(`/api/renders/${created.id}/deliveries`))));
    } while (deliveries.at(-1).status === 'pending');
    assert.deepEqual([deliveries.at(-1).event, deliveries.at(-1).status], ['job.done', 'delivered']);
  },

  async 'job: removed with its file'() {
    const job = await json(await post('/api/renders', { design }, { Prefer: 'wait' }));
    const removed = await fetch(url(`/api/renders/${job.id}`), { method: 'DELETE' });
    assert.equal(removed.status, 204);
    await json(await fetch(url(`/api/renders/${job.id}`)), 404);
    assert.notEqual((await fetch(job.output)).status, 200);
  },

  async 'errors: JSON with a message'() {
    const { error } = await json(await post('/api/renders', { design, format: 'gif' }), 400);
    assert.match(error, /not supported/);
    await json(await fetch(url('/api/renders/000000000')), 404);
    if (key) await json(await fetch(`${host}/api/renders/list?KEY=wrong`), 401);
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(`ok  ${name}`);
}
