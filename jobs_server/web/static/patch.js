// Make one piece of the page like another, touching only what differs: no flicker, no lost scroll, focus or input.

export function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  patchAttributes(old, fresh);
  patchChildren(old, fresh);
}

function patchAttributes(old, fresh) {
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.localName === "details")) old.removeAttribute(name);
  }
}

function patchChildren(old, fresh) {
  const keyed = new Map();
  const stay = new Set(Array.from(fresh.children, (child) => child.dataset.key));
  for (const child of [...old.children]) {
    if (!child.dataset.key) continue;
    if (stay.has(child.dataset.key)) keyed.set(child.dataset.key, child);
    else child.remove(); // first, so that what follows it stays where it is
  }
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const found = wanted.dataset?.key ? keyed.get(wanted.dataset.key) : alike(place, wanted) ? place : null;
    if (found && wanted.dataset?.key) place = withoutText(place, found);
    if (!found) {
      old.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    if (found.nodeType === Node.ELEMENT_NODE) patch(found, wanted);
    else if (found.data !== wanted.data) found.data = wanted.data;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

// What was between nodes that are gone is in the way of the next one.
function withoutText(place, found) {
  while (place && place !== found && place.nodeType === Node.TEXT_NODE) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
  return place;
}

function alike(one, other) {
  return one && one.nodeType === other.nodeType && one.localName === other.localName && !one.dataset?.key && !other.dataset?.key;
}
