/** HTTP with Node's older client: the newer one, `fetch`, takes 18 MiB more memory. */
import { request as requestPlain, type RequestOptions } from 'node:http';
import { request as requestSecurely } from 'node:https';

export interface Answer {
  status: number;
  text: string;
}

export interface Question {
  method?: 'GET' | 'PUT' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
}

/** Rejects if there is no answer in time; any status counts as one. */
export function send(url: string | URL, { body, timeoutMs, ...question }: Question): Promise<Answer> {
  const request = String(url).startsWith('https:') ? requestSecurely : requestPlain;
  const options: RequestOptions = { ...question, signal: AbortSignal.timeout(timeoutMs) };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
