/** Creates and updates elements. Names and texts of others get into the page as text, never as markup. */
/// <reference lib="dom" />

type Attributes = Record<string, string | number | boolean | undefined>;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

export function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

/** Does nothing if the text is the same, so that selection and screen readers are not disturbed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Like `replaceChildren`, but keeps existing elements, and with them focus, open details, and what was read aloud. */
export function update(parent: Element, children: Node[]): void {
  children.forEach((child, index) => {
    const present = parent.childNodes[index];
    if (present === undefined) parent.append(child);
    else if (present.isEqualNode(child)) return;
    else if (present instanceof Element && child instanceof Element && present.tagName === child.tagName) {
      become(present, child);
    } else present.replaceWith(child);
  });
  while (parent.childNodes.length > children.length) parent.lastChild!.remove();
}

function become(present: Element, wanted: Element): void {
  for (const { name, value } of wanted.attributes) present.setAttribute(name, value);
  for (const name of present.getAttributeNames()) {
    // What the user has opened stays open.
    if (!wanted.hasAttribute(name) && name !== 'open') present.removeAttribute(name);
  }
  update(present, [...wanted.childNodes]);
}

/** Turns web addresses in a text into links; the rest stays text. */
export function linked(text: string): (Node | string)[] {
  return text
    .split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:)])/)
    .map((part, index) => (index % 2 === 1 ? link(part) : part));
}

export function link(url: string, text = url): HTMLAnchorElement {
  return make('a', { href: url, target: '_blank', rel: 'noreferrer' }, text);
}

/** For content that may be too large for its place; the keyboard can scroll it, too. */
export function scrollable(label: string, child: Element, classes = 'scroll'): HTMLElement {
  return make('div', { class: classes, tabindex: 0, role: 'region', 'aria-label': label }, child);
}

export function fillList(list: Element, texts: string[]): void {
  update(
    list,
    texts.map((text) => make('li', {}, text)),
  );
}

/** Fills the table, including its head; the first cell of a row is its header. */
export function fillTable(table: HTMLTableElement, heads: string[], rows: (Node | string)[][]): void {
  const head = make('tr', {}, ...heads.map((text) => make('th', { scope: 'col' }, text)));
  const body = rows.map((cells) =>
    make(
      'tr',
      {},
      ...cells.map((cell, index) => make(index === 0 ? 'th' : 'td', index === 0 ? { scope: 'row' } : {}, cell)),
    ),
  );
  update(table, [head, ...body]);
}
