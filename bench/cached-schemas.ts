import { condition, defineQuery, setHandler } from '@temporalio/workflow';
import { z } from 'zod';

const schemas = Array.from({ length: 100 }, (_, index) =>
  z.object({
    id: z.string(),
    count: z.number().int().min(index),
    kind: z.enum(['a', 'b', 'c']),
    at: z.iso.datetime(),
    list: z.array(
      z.object({
        name: z.string().min(1),
        value: z.union([z.string(), z.number()]),
        flag: z.boolean().optional(),
      }),
    ),
  }),
);

/** Stays open. */
export async function parked(): Promise<number> {
  setHandler(defineQuery<boolean>('isThere'), () => true);
  await condition(() => false);
  return schemas.length;
}
