import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import type { ProviderV4 } from '@ai-sdk/provider';
import { generateText } from 'ai';
import fc from 'fast-check';
import { createModels } from '../../worker/models/models.ts';
import { offlineModel } from '../../worker/models/offline.ts';

let server: Server;
let answer: RequestListener;
let requests = 0;
let bedrock: ProviderV4;

beforeAll(async () => {
  server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  bedrock = createAmazonBedrock({ baseURL, region: 'eu-central-1', apiKey: 'secret-of-the-test' }) as ProviderV4;
});

beforeEach(() => {
  requests = 0;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

const ANSWER = {
  output: { message: { role: 'assistant', content: [{ text: 'Hi' }] } },
  stopReason: 'end_turn',
  usage: { inputTokens: 3, outputTokens: 1, totalTokens: 4 },
};

const anthropic = 'bedrock:anthropic.claude';

async function ask(modelId = anthropic) {
  return generateText({ model: createModels({ providers: { bedrock } }).languageModel(modelId), prompt: 'Hello' });
}

function answering(status: number, headers: Record<string, string> = {}, body: unknown = { message: 'the reason' }) {
  answer = (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

describe('a model', () => {
  it('is called through its provider, and its answer has no copies of request and response', async () => {
    answering(200, {}, ANSWER);
    const { text, response, usage } = await ask();
    expect(text).toBe('Hi');
    expect(usage.inputTokens).toBe(3);
    expect(response).toMatchObject({ headers: undefined });
  });

  it('is the default one if none is named', async () => {
    const model = createModels({ defaultModel: anthropic, providers: { bedrock } }).languageModel('default:');
    answering(400);
    await expect(generateText({ model, prompt: 'x' })).rejects.toThrow(
      `The model "${anthropic}" answered with HTTP 400`,
    );
  });

  it('on Bedrock is called with the task role’s credentials, in the task’s region', async () => {
    const asked: IncomingMessage[] = [];
    answer = (request, response) => {
      asked.push(request);
      const role = {
        AccessKeyId: 'ROLES',
        SecretAccessKey: 'secret',
        Token: 'of the role',
        Expiration: '2100-01-01T00:00:00Z',
      };
      const said = request.url === '/role' ? role : ANSWER;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
    };
    const bedrockUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const before = { ...process.env };
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) delete process.env[name];
    Object.assign(process.env, { AWS_REGION: 'eu-west-3', AWS_CONTAINER_CREDENTIALS_FULL_URI: `${bedrockUrl}/role` });
    try {
      const model = createModels({ bedrockUrl }).languageModel('bedrock:global.amazon.nova-2-lite-v1:0');
      expect((await generateText({ model, prompt: 'Hello' })).text).toBe('Hi');
    } finally {
      process.env = before;
    }
    expect(asked.map(({ url }) => url)).toEqual(['/role', '/model/global.amazon.nova-2-lite-v1%3A0/converse']);
    expect(asked[1]?.headers['x-amz-security-token']).toBe('of the role');
    expect(asked[1]?.headers.authorization).toMatch(/Credential=ROLES\/\d+\/eu-west-3\/bedrock\/aws4_request/);
  });

  it('names the package to install if its provider’s is missing', async () => {
    await expect(ask('mistral:large')).rejects.toMatchObject({
      message:
        'The model "mistral:large" needs the package @ai-sdk/mistral, which is not installed: ' +
        'run npm install @ai-sdk/mistral, and rebuild the worker.',
      nonRetryable: true,
    });
  });

  it.each(['opnai:gpt', 'gpt'])('with the id "%s" is refused permanently, with a list of providers', async (id) => {
    await expect(ask(id)).rejects.toMatchObject({ nonRetryable: true, type: 'ModelRefused' });
  });

  it.each(['-1', 'soon', '86401', 'Infinity'])('with the id offline:%s is refused', async (seconds) => {
    await expect(ask(`offline:${seconds}`)).rejects.toMatchObject({
      message: expect.stringContaining('from 0 to 86400'),
      nonRetryable: true,
    });
  });
});

describe('a model that fails', () => {
  it.each([429, 503, 529])('with %d is called once, and may be retried after the time it states', async (status) => {
    answering(status, { 'retry-after': '7' });
    await expect(ask()).rejects.toMatchObject({ type: 'ModelBusy', nonRetryable: false, nextRetryDelay: 7000 });
    expect(requests).toBe(1);
  });

  it('may state that time in milliseconds, as a date, or not at all', async () => {
    answering(429, { 'retry-after-ms': '1500', 'retry-after': '7' });
    await expect(ask()).rejects.toMatchObject({ nextRetryDelay: 1500 });
    answering(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() });
    const error = await ask().catch((cause: unknown) => cause as { nextRetryDelay: number });
    expect(Math.round((error as { nextRetryDelay: number }).nextRetryDelay / 10_000)).toBe(6);
    answering(429, { 'retry-after': 'later' });
    await expect(ask()).rejects.toMatchObject({ nextRetryDelay: undefined, nonRetryable: false });
  });

  it.each([400, 401, 403, 404, 422])('with %d is not retried', async (status) => {
    answering(status);
    await expect(ask()).rejects.toMatchObject({
      type: 'ModelRefused',
      nonRetryable: true,
      message: expect.stringContaining(`answered with HTTP ${status}: `),
    });
  });

  it('with 500 may be retried', async () => {
    answering(500);
    await expect(ask()).rejects.toMatchObject({ type: 'ModelUnreachable', nonRetryable: false });
  });

  it('by closing the connection may be retried', async () => {
    answer = (request) => request.socket.destroy();
    await expect(ask()).rejects.toMatchObject({ type: 'ModelUnreachable', nonRetryable: false });
  });

  it('reveals neither the key nor the request', async () => {
    answering(403, {}, { message: 'bad key: Bearer secret-of-the-test or sk-abcdefghijklmnop' });
    const error = await ask().catch((cause: unknown) => cause as Error);
    expect(JSON.stringify({ ...(error as Error), message: (error as Error).message })).not.toMatch(
      /secret-of-the|abcdefghijkl/,
    );
  });

  it('with an answer too large for Temporal is not retried', async () => {
    answering(
      200,
      {},
      {
        output: { message: { role: 'assistant', content: [{ text: 'x'.repeat(3 * 1024 * 1024) }] } },
        stopReason: 'end_turn',
        usage: { inputTokens: 3, outputTokens: 1, totalTokens: 4 },
      },
    );
    await expect(ask()).rejects.toMatchObject({ message: expect.stringContaining('is 3.0 MB'), nonRetryable: true });
  });
});

describe('the offline model', () => {
  const text = async (prompt: string) => (await generateText({ model: offlineModel(), prompt })).text;

  it('answers depending only on the prompt', async () => {
    const some = fc.string({ minLength: 1 });
    await fc.assert(
      fc.asyncProperty(some, some, async (one, other) => {
        const same = (await text(one)) === (await text(other));
        expect(same).toBe(one === other);
      }),
      { numRuns: 30 },
    );
  });

  it('stops waiting when it is aborted', async () => {
    const controller = new AbortController();
    const answer = generateText({ model: offlineModel('3600'), prompt: 'x', abortSignal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  });
});
