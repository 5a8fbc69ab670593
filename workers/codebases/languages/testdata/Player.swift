import Foundation
import class UIKit.UIView

/// Plays tracks. It loops.
public final class Player: NSObject, Playable {
    public static let shared = Player()
    private var queue: [Track] = []

    init(track: Track? = nil) {
        super.init()
        queue.append(track ?? Track(title: "none"))
    }

    /// Starts to play.
    public func play(_ track: Track, at time: Double = 0) throws -> Bool {
        guard let first = queue.first else { throw PlayError.empty }
        notify(first.title)
        return engine.start(time)
    }

    var isPlaying: Bool { return !queue.isEmpty }
}

protocol Playable: AnyObject {
    associatedtype Item
    func play(_ track: Track, at time: Double) throws -> Bool
}

struct Track: Codable {
    let title: String
}

enum PlayError: Error {
    case empty, broken
}

extension Player {
    func stop() { play(Track(title: "")) }
}

typealias Handler = (Track) -> Void

func makePlayer() -> Player { Player.shared }
