// What the pages with a script share: their data and the elements they make. Nothing is sent
// anywhere.

export const element = id => document.getElementById(id);
export const data = JSON.parse(element("data").textContent);
// JPEGs in base64, decoded only where shown.
export const thumbnails = element("thumbnails").textContent.split("\n");

export function make(tag, className = "", text = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

export function button(text, className, action) {
  const node = make("button", className, text);
  node.type = "button";
  node.onclick = action;
  return node;
}

export const thumbnailUrl = i => "data:image/jpeg;base64," + thumbnails[i];

export function thumbnail(i, replacement) {
  if (!thumbnails[i]) return make("span", "none", replacement);
  const node = make("img");
  node.alt = "";
  node.src = thumbnailUrl(i);
  return node;
}

// Long names may break after what joins their words.
export function breakable(text) {
  return make("span", "", "", ...text.split(/(?<=[\/_-])/).flatMap(part => [part, make("wbr")]));
}

export function download(fileName, text) {
  const link = make("a");
  const url = URL.createObjectURL(new Blob(["\ufeff", text], {type: "text/csv"}));
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
