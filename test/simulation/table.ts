/**
 * The state table: DynamoDB's batch reads and writes and its conditional put, with its limits. Items are copies, as over a
 * network. An unsupported request is the caller's error, as it is in DynamoDB.
 */
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';

type Item = Record<string, unknown>;

interface Input {
  RequestItems?: Record<string, unknown>;
  Item?: Item;
  Key?: Item;
  ConditionExpression?: string;
  ExpressionAttributeValues?: Item;
}

interface TableOptions {
  /** Called with each key that was put or deleted. */
  onWrite: (key: string, item: Item | undefined) => void;
  /** Whether part of a batch is not processed, as with throttling. */
  leavesSome: () => boolean;
  /** False for a table without conditional writes: a removed guard. */
  honoursConditions: boolean;
}

export class Table {
  /** As text, so that no caller shares an object with the table. */
  readonly #items = new Map<string, string>();
  readonly #options: TableOptions;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  has(key: string): boolean {
    return this.#items.has(key);
  }

  get(key: string): Item | undefined {
    const text = this.#items.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as Item);
  }

  put(item: Item): void {
    this.#items.set(String(item.id), JSON.stringify(item, refuseWrongNumbers));
    this.#options.onWrite(String(item.id), item);
  }

  delete(key: string): void {
    this.#items.delete(key);
    this.#options.onWrite(key, undefined);
  }

  /** The answer to a command of the document client. */
  answer(command: string, input: Input): unknown {
    switch (command) {
      case 'BatchGetCommand':
        return this.#batchGet(input);
      case 'BatchWriteCommand':
        return this.#batchWrite(input);
      case 'PutCommand':
        return this.#conditionalPut(input);
      case 'GetCommand':
        return { Item: this.get(String(input.Key?.id)) };
      case 'DeleteCommand':
        return this.delete(String(input.Key?.id));
      default:
        throw new Error(`the modeled table does not know ${command}`);
    }
  }

  #batchGet({ RequestItems = {} }: Input): unknown {
    const [[table, request] = []] = Object.entries(RequestItems) as [string, { Keys: Item[] }][];
    const keys = (request?.Keys ?? []).map(({ id }) => String(id));
    refuseWrongBatch(keys, 100);
    const done = this.#doneOf(keys);
    return {
      Responses: { [table!]: done.flatMap((key) => this.get(key) ?? []) },
      UnprocessedKeys: leftOver(
        table!,
        keys.slice(done.length).map((id) => ({ id })),
        (Keys) => ({ Keys }),
      ),
    };
  }

  #batchWrite({ RequestItems = {} }: Input): unknown {
    type Request = { PutRequest?: { Item: Item }; DeleteRequest?: { Key: Item } };
    const [[table, requests = []] = []] = Object.entries(RequestItems) as [string, Request[]][];
    const keyOf = ({ PutRequest, DeleteRequest }: Request) => String(PutRequest?.Item.id ?? DeleteRequest?.Key.id);
    refuseWrongBatch(requests.map(keyOf), 25);
    const done = this.#doneOf(requests);
    for (const request of done) {
      if (request.PutRequest) this.put(request.PutRequest.Item);
      else this.delete(keyOf(request));
    }
    return { UnprocessedItems: leftOver(table!, requests.slice(done.length), (left) => left) };
  }

  #conditionalPut({ Item = {}, ConditionExpression, ExpressionAttributeValues = {} }: Input): unknown {
    const present = this.get(String(Item.id));
    if (this.#options.honoursConditions && !holds(ConditionExpression, present, ExpressionAttributeValues)) {
      throw new ConditionalCheckFailedException({ message: 'The conditional request failed', $metadata: {} });
    }
    this.put(Item);
    return {};
  }

  #doneOf<T>(wanted: T[]): T[] {
    return this.#options.leavesSome() ? wanted.slice(0, Math.floor(wanted.length / 2)) : wanted;
  }
}

/** Terms, with or without NOT, joined by AND and OR; AND binds closer, and there are no brackets around them. */
export function holds(condition: string | undefined, item: Item | undefined, values: Item): boolean {
  if (condition === undefined) return true;
  return condition
    .replaceAll(/(BETWEEN :\w+) AND /g, '$1 & ')
    .split(/ OR /i)
    .some((part) => part.split(/ AND /i).every((term) => holdsTerm(term, item, values)));
}

function holdsTerm(term: string, item: Item | undefined, values: Item): boolean {
  const negated = /^\s*NOT\s+(.*)$/i.exec(term);
  if (negated) return !holdsTerm(negated[1]!, item, values);
  const typed = /^\s*attribute_type\s*\(\s*(\w+)\s*,\s*(:\w+)\s*\)\s*$/.exec(term);
  if (typed) return TYPES[typeof item?.[typed[1]!]] === values[typed[2]!];
  const between = /^\s*(\w+)\s+BETWEEN\s+(:\w+)\s*&\s*(:\w+)\s*$/.exec(term);
  if (between) {
    const [, name = '', least = '', most = ''] = between;
    const value = item?.[name];
    return typeof value === 'number' && value >= Number(values[least]) && value <= Number(values[most]);
  }
  const exists = /^\s*attribute_(not_)?exists\s*\(\s*(\w+)\s*\)\s*$/.exec(term);
  if (exists) return (item?.[exists[2]!] === undefined) === (exists[1] !== undefined);
  const compared = /^\s*(\w+)\s*(=|<>)\s*(:\w+)\s*$/.exec(term);
  if (!compared) throw new Error(`the modeled table does not know the condition "${term}"`);
  const [, name = '', operator, value = ''] = compared;
  if (!(value in values)) throw new Error(`ValidationException: ${value} is not defined`);
  return (JSON.stringify(item?.[name]) === JSON.stringify(values[value])) === (operator === '=');
}

const TYPES: Record<string, string> = { number: 'N', string: 'S', boolean: 'BOOL' };

function refuseWrongBatch(keys: string[], most: number): void {
  if (keys.length === 0 || keys.length > most || new Set(keys).size < keys.length) {
    throw new Error(`ValidationException: 1 to ${most} keys, each once, got ${keys.length}: ${keys.join(' ')}`);
  }
}

function refuseWrongNumbers(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new Error(`${key}: special numeric value ${value} is not allowed`);
  return value;
}

function leftOver<T, R>(table: string, left: T[], wrap: (left: T[]) => R): Record<string, R> {
  return left.length === 0 ? {} : { [table]: wrap(left) };
}
