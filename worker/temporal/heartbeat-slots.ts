/**
 * Adds the number of activity slots to a worker's heartbeats. The SDK leaves it out for a custom slot supplier, and the scaler needs
 * it to size a pool with `slots: { min, max }`. Works on the encoded request: protobuf merges fields that are appended to a message,
 * so only lengths have to be parsed.
 */
import { gunzipSync } from 'node:zlib';

export const RECORD_HEARTBEAT = '/temporal.api.workflowservice.v1.WorkflowService/RecordWorkerHeartbeat';
/** Instead of the SDK's `Custom`: the reported number is the current limit, which changes. */
const ELASTIC = 'Elastic';

/** A gRPC message: a compression flag, the length, and the message. */
const FRAME_BYTES = 5;
/** RecordWorkerHeartbeatRequest.worker_heartbeat, WorkerHeartbeat.activity_task_slots_info. */
const HEARTBEATS = 3;
const ACTIVITY_SLOTS = 13;
/** WorkerSlotsInfo.current_available_slots, .current_used_slots, .slot_supplier_kind. */
const AVAILABLE = 1;
const USED = 2;
const KIND = 3;

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

interface Field {
  number: number;
  start: number;
  end: number;
  /** The contents of a bytes field, or the number of a varint. */
  bytes?: Buffer;
  value?: number;
}

/** The framed RecordWorkerHeartbeatRequest, with `limit` slots in each heartbeat; unchanged if it cannot be parsed. */
export function withSlots(frame: Buffer, limit: number): Buffer {
  try {
    const body = frame.subarray(FRAME_BYTES);
    const request = frame[0] === 1 ? gunzipSync(body) : body;
    const parts = fieldsOf(request).map(({ number, start, end, bytes }) =>
      number === HEARTBEATS && bytes ? field(HEARTBEATS, heartbeatWith(bytes, limit)) : request.subarray(start, end),
    );
    const message = Buffer.concat(parts);
    const head = Buffer.alloc(FRAME_BYTES);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  } catch {
    return frame;
  }
}

/** A Worker without activities has no activity slots, and reports none. */
function heartbeatWith(heartbeat: Buffer, limit: number): Buffer {
  const slots = fieldsOf(heartbeat).findLast(({ number }) => number === ACTIVITY_SLOTS)?.bytes;
  if (slots === undefined) return heartbeat;
  const used = fieldsOf(slots).findLast(({ number }) => number === USED)?.value ?? 0;
  const available = Buffer.concat([varint((AVAILABLE << 3) | VARINT), varint(Math.max(0, limit - used))]);
  return Buffer.concat([
    heartbeat,
    field(ACTIVITY_SLOTS, Buffer.concat([available, field(KIND, Buffer.from(ELASTIC))])),
  ]);
}

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const read = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('A field ends too early.');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = read();
    const one: Field = { number: tag >>> 3, start, end: 0 };
    const wire = tag & 7;
    if (wire === VARINT) one.value = read();
    else if (wire === FIXED_64) at += 8;
    else if (wire === FIXED_32) at += 4;
    else if (wire === BYTES) {
      const length = read();
      one.bytes = message.subarray(at, at + length);
      at += length;
    } else throw new Error(`Fields of the wire type ${wire} are not known.`);
    if (at > message.length) throw new Error('A field ends too late.');
    fields.push({ ...one, end: at });
  }
  return fields;
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | BYTES), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest >= 128 ? (rest % 128) | 128 : rest);
    if (rest < 128) return Buffer.from(bytes);
  }
}
