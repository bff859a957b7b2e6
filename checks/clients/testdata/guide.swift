// A ride of the guide for apps, by both of its sides, with a live geogate.
import Foundation

let token = CommandLine.arguments[2]
let town = Town(base: CommandLine.arguments[1], token: { token })
let driver = "swift-7"
let next = ["matched": "arrive", "arrived": "start", "started": "complete"]

func report(age: TimeInterval = 0) async throws {
    try await town.report(driver: driver, lat: 47.14, lng: 9.52, ts: Date(timeIntervalSinceNow: -age))
}

try await report()
let id = try await town.requestRide(key: "Swift waits", lat: 47.14, lng: 9.52).requestId
let again = try await town.requestRide(key: "Swift waits", lat: 47.14, lng: 9.52).requestId
precondition(again == id, "another ride for the same key")
try await report(age: 10) // comes too late, which is no error

var states: [String] = []
@MainActor func act(_ ride: Ride) async throws { // each step follows the sight of the one before
    states.append(ride.state)
    if ride.state == "offered" {
        let offer = try await town.nextOffer(driver: driver)
        precondition(offer.requestId == id, "another ride's offer")
        _ = try await town.accept(offer.offerId, driver: driver)
    }
    if let step = next[ride.state] {
        try await report()
        _ = try await town.step(id, driver: driver, step)
    }
}
try await town.follow(id) { ride in
    do { try await act(ride) } catch { fatalError("\(ride.state): \(error)") }
}
do {
    _ = try await town.step(id, driver: driver, "arrive")
    fatalError("arrived after the end")
} catch let late as Refused {
    precondition(late.state == "completed", "arrived after the end: \(late)")
}
print(states.joined(separator: ","))
