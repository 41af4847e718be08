/** Splits a list that does not fit into one AWS request or policy statement; `size` is the limit. */
export function chunks<T>(values: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));
}

/** ECS's limit for DescribeTasks. */
export const TASKS_A_CALL = 100;
