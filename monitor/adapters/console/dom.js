// Building and updating nodes. Data only ever enters through textContent and attributes, never as markup.

const keys = new WeakMap();

/**
 * Creates an element.
 *
 * @param {string} tag
 * @param {{class?: string, text?: string, field?: string, [attribute: string]: any}} [options] `field` becomes
 *   data-field; other names are attributes.
 * @param {...Node} children
 */
export function element(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  const { class: className, text, field, ...attributes } = options;
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (field) node.dataset.field = field;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Creates an SVG element with presentation attributes. */
export function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text) node.textContent = text;
  return node;
}

/** Sets the text only where it differs, so that a refresh keeps selections and repaints nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets or, for null, removes an attribute, only where it differs. */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** The descendant of `root` that carries data-field `name`. */
export function field(root, name) {
  return root.querySelector(`[data-field="${name}"]`);
}

/**
 * Makes the children of `parent` match `items`, keeping the nodes (and the focus in them) of items already shown.
 *
 * @param {Element} parent its children are all owned by this function.
 * @param {Array<any>} items in the order to show.
 * @param {(item: any) => string} keyOf says which node an item keeps; equal keys are told apart by their order.
 * @param {(item: any) => Element} create makes a node, still empty of data.
 * @param {(node: Element, item: any) => void} update fills it; called again at every refresh.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const focused = document.activeElement;
  const shown = new Map([...parent.children].map((node) => [keys.get(node), node]));
  const wanted = distinctKeys(items, keyOf);
  const kept = new Set(wanted);
  for (const [key, node] of shown) if (!kept.has(key)) node.remove();
  let cursor = parent.firstElementChild;
  items.forEach((item, index) => {
    const node = shown.get(wanted[index]) ?? create(item);
    keys.set(node, wanted[index]);
    update(node, item);
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  });
  // A node that moves loses the focus.
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function distinctKeys(items, keyOf) {
  const seen = new Map();
  return items.map((item) => {
    const key = keyOf(item);
    const count = seen.get(key) ?? 0;
    seen.set(key, count + 1);
    return count ? `${key}\u0000${count}` : key;
  });
}

/**
 * Marks the pressed button of a switch and calls `choose` with the value of one that is clicked.
 *
 * @returns {(value: string) => void} marks a value from outside.
 */
export function bindSwitch(group, choose) {
  const buttons = [...group.querySelectorAll("button")];
  const mark = (value) => {
    for (const button of buttons) setAttribute(button, "aria-pressed", String(button.dataset.value === value));
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      mark(button.dataset.value);
      choose(button.dataset.value);
    });
  }
  return mark;
}
