/** Formats figures and times for the page. */

export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return '?';
  return value.toLocaleString('en', { maximumFractionDigits: 0 });
}

/** Short form, for a table or a legend. */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return '?';
  if (value < 10) return `${Number(value.toFixed(1))} s`;
  if (value < 90) return `${Math.round(value)} s`;
  const [amount, unit] = value < 5400 ? [value / 60, 'min'] : [value / 3600, 'h'];
  return `${Number(amount.toFixed(amount < 10 ? 1 : 0))} ${unit}`;
}

export function clock(now: number): string {
  return new Date(now).toLocaleTimeString('en-GB');
}
