"use strict"

// All that devices say of themselves becomes text (textContent), never HTML.

const $ = id => document.getElementById(id)
const cards = new Map()  // uuid → the parts of its card that change
const names = new Map()  // uuid → what people call it
let heard = 0            // the number of the last saying that is shown

function element(kind, name, parent) {
  const made = document.createElement(kind)
  made.className = name
  parent?.append(made)
  return made
}

function ago(seconds) {
  if (seconds < 5) return "just now"
  if (seconds < 60) return `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  return `${Math.floor(seconds / 3600)} h ago`
}

function nameOf(device) {
  const name = device.data.name
  return typeof name === "string" && name.trim() ? name.slice(0, 80) : `${device.type} ${device.uuid.slice(0, 8)}`
}

function makeCard(uuid) {
  const item = element("li", "", null)
  const label = element("label", "device", item)
  const radio = element("input", "", label)
  Object.assign(radio, {type: "radio", name: "target", value: uuid})
  radio.dataset.to = "device"
  const card = element("span", "card", label)
  const top = element("span", "top", card)
  const parts = {item, radio, card, name: element("span", "name", top), state: element("span", "state", top)}
  for (const part of ["facts", "queued", "more", "uuid"]) parts[part] = element("span", part, card)
  parts.uuid.textContent = uuid
  cards.set(uuid, parts)
  $("devices").append(item)
  return parts
}

function set(part, text) {
  if (part.textContent !== text) part.textContent = text
  part.hidden = !text
}

function showDevices(devices) {
  for (const device of devices) {
    const parts = cards.get(device.uuid) ?? makeCard(device.uuid)
    const {name, understands, simulated, ...more} = device.data
    parts.understands = Array.isArray(understands) ? understands.filter(word => typeof word === "string").slice(0, 6) : []
    parts.isHere = device.connected
    names.set(device.uuid, nameOf(device))
    parts.card.dataset.here = device.connected ? "yes" : "no"
    set(parts.name, names.get(device.uuid))
    set(parts.state, device.connected ? "here" : "away")
    set(parts.facts, `${device.type}${simulated === true ? ", simulated" : ""}, heard ${ago(Date.now() / 1000 - device.last_seen)}`)
    set(parts.queued, device.queued ? `${device.queued} command${device.queued === 1 ? "" : "s"} waiting for it` : "")
    set(parts.more, Object.keys(more).length ? JSON.stringify(more).slice(0, 200) : "")
  }
  const present = new Set(devices.map(device => device.uuid))
  for (const [uuid, parts] of cards) {
    if (present.has(uuid)) continue
    if (parts.radio.checked) $("order").elements.target[0].checked = true
    parts.item.remove()
    cards.delete(uuid)
  }
  const here = devices.filter(device => device.connected).length
  set($("count"), `${here} here, ${devices.length - here} away`)
  showRecipient()
}

function say({number, by, device, text, at}) {
  if (number <= heard) return
  heard = number
  const list = $("said")
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40
  const item = element("li", by, list)
  const who = names.get(device) ?? (device === "all" ? "every device" : `every ${device}`)
  element("small", "", item).textContent =
    `${by === "page" ? "to " : ""}${who}, ${new Date(at * 1000).toLocaleTimeString()}`
  item.append(text)
  while (list.children.length > 200) list.firstChild.remove()
  if (atEnd) list.scrollTop = list.scrollHeight
}

function chosen() {
  return document.querySelector("input[name=target]:checked")
}

function showRecipient() {
  const {value, dataset: {to}} = chosen()
  const parts = cards.get(value)
  set($("recipient"), to === "all" ? "every device" : to === "type" ? `every ${value}` : names.get(value))
  $("waiting").hidden = !parts || parts.isHere
  $("ask").disabled = to !== "device" || !parts?.isHere
  const words = to === "device" ? parts?.understands ?? [] : []
  const row = $("suggestions")
  if (row.dataset.for === JSON.stringify([value, words])) return
  row.dataset.for = JSON.stringify([value, words])
  row.replaceChildren(...words.map(word => {
    const button = element("button", "", null)
    Object.assign(button, {type: "button", textContent: word, onclick: () => send(word)})
    return button
  }))
}

function tell(text, bad = false) {
  $("told").textContent = text  // never hidden: what appears only with its text is not read out
  $("told").toggleAttribute("data-bad", bad)
}

async function post(path, order) {
  try {
    const response = await fetch(path, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(order),
    })
    const {told, error} = await response.json()
    tell(told ?? error, !response.ok)
    return response.ok
  } catch (error) {
    tell("the server does not answer", true)
    return false
  }
}

async function send(text) {
  const {value, dataset: {to}} = chosen()
  if (!text) return tell("type a command first", true)
  const sent = await post("send", {to, target: value, text, queue_seconds: Number($("keep").value)})
  if (sent && $("text").value === text) $("text").value = ""
}

$("order").onsubmit = event => {
  event.preventDefault()
  send($("text").value.trim())
}
$("ask").onclick = async () => {
  const {value} = chosen()
  $("ask").disabled = true
  tell("asking …")
  await post("ask", {target: value, text: $("text").value.trim()})
  showRecipient()
}
$("order").onchange = event => event.target.name === "target" && (tell(""), showRecipient())

const events = new EventSource("events")
events.addEventListener("devices", event => showDevices(JSON.parse(event.data)))
events.addEventListener("said", event => say(JSON.parse(event.data)))
events.onopen = () => { $("link").dataset.state = "live"; $("link").textContent = "live" }
events.onerror = () => { $("link").dataset.state = "waiting"; $("link").textContent = "not connected, trying again …" }
